fn lease(
    shop: Shop,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = Lease,
        Kind = ::contextlib::kind::Fallible<Box<dyn Error>>,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::Spawn,
> {
    ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        Lease,
        ::contextlib::kind::Fallible<Box<dyn Error>>,
        _,
    >(
        ::contextlib::__private::defined(|| "lease"),
        async move |
            yield_resource: ::contextlib::YieldOnce<'_, _, _>,
        | -> ::core::result::Result<(), Box<dyn Error>> {
            let yield_resource: ::contextlib::YieldOnce<'_, Lease> = yield_resource;
            let shop = shop;
            if false {
                return <::core::result::Result<(), Box<dyn Error>>>::Ok(());
            }
            let end = {
                let mut lease = shop.lease().await?;
                if yield_resource!(@ place yield_resource, lease).is_cancelled() {
                    return Ok(());
                }
                shop.give_back(lease).await?;
            };
            #[allow(unreachable_code)]
            ::contextlib::__private::Tail::<Box<dyn Error>>::end(end)
        },
    )
}
