fn lines(
    path: impl AsRef<Path> + Send + 'static,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = impl Iterator<Item = String>,
        Kind = ::contextlib::kind::Fallible<Error>,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::FinishSetup,
> {
    ::contextlib::__private::setup_finish_needs_a_frame_that_is_send_and_static::<
        _,
        ::contextlib::kind::Fallible<Error>,
        _,
    >(
        ::contextlib::__private::defined(|| "lines"),
        async move |
            yield_resource: ::contextlib::YieldOnce<'_, _, _>,
        | -> ::core::result::Result<(), Error> {
            let yield_resource: ::contextlib::YieldOnce<'_, _> = yield_resource;
            let path = path;
            let end = {
                let mut lines = read(path.as_ref()).await?.lines();
                let _ = yield_resource!(@ place yield_resource, lines);
            };
            #[allow(unreachable_code)] ::contextlib::__private::Tail::<Error>::end(end)
        },
    )
}
