fn not_found_is_fine() -> facade::contextlib::BoxedManager<
    'static,
    (),
    facade::contextlib::kind::Infallible<facade::contextlib::kind::Suppressing>,
> {
    facade::contextlib::__private::boxed_needs_a_frame_that_is_send(
        facade::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
            (),
            facade::contextlib::kind::Infallible<facade::contextlib::kind::Suppressing>,
            _,
        >(
            facade::contextlib::__private::defined(|| "not_found_is_fine"),
            async move |yield_resource: facade::contextlib::YieldOnce<'_, _, _>| -> () {
                let yield_resource: facade::contextlib::YieldOnce<
                    '_,
                    (),
                    facade::contextlib::kind::Suppressing,
                > = yield_resource;
                let (): () = {
                    let exit = yield_resource!(@ unit yield_resource);
                    if exit.error().is_some_and(is_not_found) {
                        exit.suppress();
                    }
                };
            },
        ),
    )
}
