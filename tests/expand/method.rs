impl Store {
    pub(crate) fn lease(
        &self,
    ) -> ::contextlib::ContextManager<
        impl ::contextlib::AsyncContext<
            Resource = Lease<'_>,
            Kind = ::contextlib::kind::Fallible<Error>,
        >,
        ::contextlib::policy::Drop,
    > {
        ::contextlib::__private::on_cancel_drop::<
            Lease<'_>,
            ::contextlib::kind::Fallible<Error>,
            _,
        >(
            "lease",
            async move |
                yielder: ::contextlib::Yielder<'_, _, _>,
            | -> ::core::result::Result<(), Error> {
                let the_one_yield: ::contextlib::Yielder<'_, Lease<'_>> = yielder;
                let _ = &self;
                let end = {
                    let mut lease = self.leases.take().await?;
                    let _ = yield_resource!(@ place the_one_yield, lease);
                    lease.give_back().await?;
                };
                #[allow(unreachable_code)] ::contextlib::__private::end(end)
            },
        )
    }
}
