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
            ::contextlib::__private::defined(|| "lease"),
            async move |
                yield_resource: ::contextlib::YieldOnce<'_, _, _>,
            | -> ::core::result::Result<(), Error> {
                let yield_resource: ::contextlib::YieldOnce<'_, Lease<'_>> = yield_resource;
                let _ = &self;
                let end = {
                    let mut lease = self.leases.take().await?;
                    let _ = yield_resource!(@ place yield_resource, lease);
                    lease.give_back().await?;
                };
                #[allow(unreachable_code)]
                ::contextlib::__private::Tail::<Error>::end(end)
            },
        )
    }
}
