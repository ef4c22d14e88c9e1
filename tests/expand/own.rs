impl Store {
    fn transaction(
        &self,
        name: &str,
        retries: u32,
    ) -> ::contextlib::ContextManager<
        impl ::contextlib::AsyncContext<
            Resource = Transaction,
            Kind = ::contextlib::kind::Fallible<Error>,
        > + ::core::marker::Send + 'static,
        ::contextlib::policy::Spawn,
    > {
        let pool = self.pool.clone();
        let name = name.to_owned();
        ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
            Transaction,
            ::contextlib::kind::Fallible<Error>,
            _,
        >(
            ::contextlib::__private::defined(|| "transaction"),
            async move |
                yield_resource: ::contextlib::YieldOnce<'_, _, _>,
            | -> ::core::result::Result<(), Error> {
                let yield_resource: ::contextlib::YieldOnce<'_, Transaction> = yield_resource;
                let retries = retries;
                let pool = pool;
                let name = name;
                let end = {
                    let mut tx = pool.begin(&name, retries).await?;
                    let _ = yield_resource!(@ place yield_resource, tx);
                    tx.commit().await?;
                };
                #[allow(unreachable_code)]
                ::contextlib::__private::Tail::<Error>::end(end)
            },
        )
    }
}
