fn lock_file(
    path: PathBuf,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = <io::Result<File> as ::contextlib::kind::Declared>::Resource,
        Kind = ::contextlib::kind::Fallible<
            <io::Result<File> as ::contextlib::kind::Declared>::Error,
        >,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::Spawn,
> {
    ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        <io::Result<File> as ::contextlib::kind::Declared>::Resource,
        ::contextlib::kind::Fallible<
            <io::Result<File> as ::contextlib::kind::Declared>::Error,
        >,
        _,
    >(
        ::contextlib::__private::defined(|| "lock_file"),
        async move |
            yield_resource: ::contextlib::YieldOnce<'_, _, _>,
        | -> ::contextlib::__private::Ends<io::Result<File>> {
            let yield_resource: ::contextlib::YieldOnce<
                '_,
                <io::Result<File> as ::contextlib::kind::Declared>::Resource,
            > = yield_resource;
            let path = path;
            let end = {
                let mut file = File::create_new(&path).await?;
                let _ = yield_resource!(@ place yield_resource, file);
                remove_file(&path).await?;
                Ok(())
            };
            #[allow(unreachable_code)]
            ::contextlib::__private::Tail::<
                <io::Result<File> as ::contextlib::kind::Declared>::Error,
            >::end(end)
        },
    )
}
