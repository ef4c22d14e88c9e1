fn not_found_is_fine() -> facade::contextlib::BoxedManager<
    'static,
    (),
    facade::contextlib::kind::Infallible<facade::contextlib::kind::Suppressing>,
> {
    facade::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        (),
        facade::contextlib::kind::Infallible<facade::contextlib::kind::Suppressing>,
        _,
    >(
            "not_found_is_fine",
            async move |yielder: facade::contextlib::Yielder<'_, _, _>| -> () {
                let the_one_yield: facade::contextlib::Yielder<
                    '_,
                    (),
                    facade::contextlib::kind::Suppressing,
                > = yielder;
                {
                    let exit = yield_resource!(@ unit the_one_yield);
                    if exit.error().is_some_and(is_not_found) {
                        exit.suppress();
                    }
                }
            },
        )
        .boxed()
}
