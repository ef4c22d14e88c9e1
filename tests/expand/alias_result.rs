fn lock_file(
    path: PathBuf,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = <io::Result<File> as ::contextlib::__private::Declared>::Resource,
        Kind = ::contextlib::kind::Fallible<
            <io::Result<File> as ::contextlib::__private::Declared>::Error,
        >,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::Spawn,
> {
    ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        <io::Result<File> as ::contextlib::__private::Declared>::Resource,
        ::contextlib::kind::Fallible<
            <io::Result<File> as ::contextlib::__private::Declared>::Error,
        >,
        _,
    >(
        "lock_file",
        async move |
            yielder: ::contextlib::Yielder<'_, _, _>,
        | -> ::contextlib::__private::Ends<io::Result<File>> {
            let the_one_yield: ::contextlib::Yielder<
                '_,
                <io::Result<File> as ::contextlib::__private::Declared>::Resource,
            > = yielder;
            let path = path;
            let end = {
                let mut file = File::create_new(&path).await?;
                let _ = yield_resource!(@ place the_one_yield, file);
                remove_file(&path).await?;
                Ok(())
            };
            #[allow(unreachable_code)] ::contextlib::__private::end(end)
        },
    )
}
