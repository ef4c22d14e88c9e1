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
        [T; N],
        ::contextlib::kind::Fallible<T::Error>,
        _,
    >(
        "all",
        async move |
            yielder: ::contextlib::Yielder<'_, _, _>,
        | -> ::core::result::Result<(), T::Error> {
            let the_one_yield: ::contextlib::Yielder<'_, [T; N]> = yielder;
            let items = items;
            let end = {
                let mut items = items;
                let _ = yield_resource!(@ place the_one_yield, items);
                T::close(items).await?;
            };
            #[allow(unreachable_code)] ::contextlib::__private::end(end)
        },
    )
}
