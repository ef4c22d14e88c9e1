impl Store {
    ::core::compile_error! {
        "this context borrows, but when it is cancelled its teardown becomes a background task, which outlives every borrow; either\n  - own what it needs: `#[async_context(own(shop = self.shop.clone(), name = name.to_owned()))]`\n  - block until the teardown is done, on a multi-thread runtime: `#[async_context(on_cancel = block)]`\n  - do without it when cancelled, where `Drop` suffices: `#[async_context(on_cancel = drop)]`"
    }
    fn lease(
        &self,
        name: &str,
    ) -> ::contextlib::ContextManager<
        impl ::contextlib::AsyncContext<
            Resource = Lease,
            Kind = ::contextlib::kind::Infallible,
        > + ::core::marker::Send + 'static,
        ::contextlib::policy::Spawn,
    > {
        let _ = async move |yield_resource: ::contextlib::YieldOnce<'_, _, _>| -> () {
            let yield_resource: ::contextlib::YieldOnce<'_, Lease> = yield_resource;
            let _ = &self;
            let name = name;
            let (): () = {
                let mut lease = self.shop.lease(name);
                let _ = yield_resource!(@ place yield_resource, lease);
            };
        };
        yield_resource!(@ mention);
        ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
            Lease,
            ::contextlib::kind::Infallible,
            _,
        >(
            ::contextlib::__private::defined(|| "lease"),
            async move |_: ::contextlib::YieldOnce<'_, _, _>| -> () {
                ::core::unreachable!()
            },
        )
    }
}
