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
        "counted",
        async move |yielder: ::contextlib::Yielder<'_, _, _>| -> () {
            let the_one_yield: ::contextlib::Yielder<'_, usize> = yielder;
            let counter = counter;
            {
                let _ = yield_resource!(@ value the_one_yield, counter.add());
                counter.remove();
            }
        },
    )
}
