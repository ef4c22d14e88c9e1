fn announced() -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = (),
        Kind = ::contextlib::kind::Infallible,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::Spawn,
> {
    ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        (),
        ::contextlib::kind::Infallible,
        _,
    >(
        ::contextlib::__private::defined(|| "announced"),
        async move |yield_resource: ::contextlib::YieldOnce<'_, _, _>| -> () {
            let yield_resource: ::contextlib::YieldOnce<'_, ()> = yield_resource;
            let (): () = {
                println!("begins");
                let _ = yield_resource!(@ unit yield_resource);
                println!("ended");
            };
        },
    )
}
