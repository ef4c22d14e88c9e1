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
        "announced",
        async move |yielder: ::contextlib::Yielder<'_, _, _>| -> () {
            let the_one_yield: ::contextlib::Yielder<'_, ()> = yielder;
            {
                println!("begins");
                let _ = yield_resource!(@ unit the_one_yield);
                println!("ended");
            }
        },
    )
}
