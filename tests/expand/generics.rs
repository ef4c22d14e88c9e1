#[cfg(unix)]
fn all<T, const N: usize>(
    items: [T; N],
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = [T; N],
        Kind = ::contextlib::kind::Fallible<T::Error>,
    >,
    crate::policy::Retry,
>
where
    T: Open + Send + 'static,
{
    ::contextlib::__private::frame_must_satisfy_its_on_cancel_policy::<
        crate::policy::Retry,
        _,
    >(
        ::contextlib::__private::on_cancel::<
            _,
            [T; N],
            ::contextlib::kind::Fallible<T::Error>,
            _,
        >(
            ::contextlib::__private::defined(|| "all"),
            async move |
                yield_resource: ::contextlib::YieldOnce<'_, _, _>,
            | -> ::core::result::Result<(), T::Error> {
                let yield_resource: ::contextlib::YieldOnce<'_, [T; N]> = yield_resource;
                let items = items;
                let end = {
                    let mut items = items;
                    let _ = yield_resource!(@ place yield_resource, items);
                    T::close(items).await?;
                };
                #[allow(unreachable_code)]
                ::contextlib::__private::Tail::<T::Error>::end(end)
            },
        ),
    )
}
