fn transaction<'c>(
    connection: &'c mut Connection,
    name: &str,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = Transaction<'c>,
        Kind = ::contextlib::kind::Fallible<Error>,
    >,
    ::contextlib::policy::Block,
> {
    ::contextlib::__private::on_cancel_block::<
        Transaction<'c>,
        ::contextlib::kind::Fallible<Error>,
        _,
    >(
        ::contextlib::__private::defined(|| "transaction"),
        async move |
            yield_resource: ::contextlib::YieldOnce<'_, _, _>,
        | -> ::core::result::Result<(), Error> {
            let yield_resource: ::contextlib::YieldOnce<'_, Transaction<'c>> = yield_resource;
            let connection = connection;
            let name = name;
            let end = {
                let mut tx = connection.begin(name).await?;
                let _ = yield_resource!(@ place yield_resource, tx);
                tx.rollback().await
            };
            #[allow(unreachable_code)] ::contextlib::__private::Tail::<Error>::end(end)
        },
    )
}
