fn counted(
    counter: Counter,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = usize,
        Kind = ::contextlib::kind::Infallible,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::Spawn,
> {
    ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        usize,
        ::contextlib::kind::Infallible,
        _,
    >(
        ::contextlib::__private::defined(|| "counted"),
        async move |yield_resource: ::contextlib::YieldOnce<'_, _, _>| -> () {
            let yield_resource: ::contextlib::YieldOnce<'_, usize> = yield_resource;
            let counter = counter;
            let (): () = {
                let _ = yield_resource!(@ value yield_resource, counter.add());
                counter.remove();
            };
        },
    )
}
