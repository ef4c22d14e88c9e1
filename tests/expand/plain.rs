/// Commits if the body completed.
pub fn transaction(
    pool: SqlitePool,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = Transaction<'static, Sqlite>,
        Kind = ::contextlib::kind::Fallible<sqlx::Error>,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::Spawn,
> {
    ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        Transaction<'static, Sqlite>,
        ::contextlib::kind::Fallible<sqlx::Error>,
        _,
    >(
        ::contextlib::__private::defined(|| "transaction"),
        async move |
            yield_resource: ::contextlib::YieldOnce<'_, _, _>,
        | -> ::core::result::Result<(), sqlx::Error> {
            let yield_resource: ::contextlib::YieldOnce<
                '_,
                Transaction<'static, Sqlite>,
            > = yield_resource;
            let pool = pool;
            let end = {
                let mut tx = pool.begin().await?;
                if yield_resource!(@ place yield_resource, tx).is_completed() {
                    tx.commit().await?;
                } else {
                    tx.rollback().await?;
                }
            };
            #[allow(unreachable_code)]
            ::contextlib::__private::Tail::<sqlx::Error>::end(end)
        },
    )
}
