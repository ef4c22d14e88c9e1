fn at_most(
    limit: Duration,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = (),
        Kind = ::contextlib::kind::Fallible<
            Elapsed,
            ::contextlib::kind::Strict,
            ::contextlib::kind::Wrapping,
        >,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::Spawn,
> {
    ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        (),
        ::contextlib::kind::Fallible<
            Elapsed,
            ::contextlib::kind::Strict,
            ::contextlib::kind::Wrapping,
        >,
        _,
    >(
        ::contextlib::__private::defined_around_its_body(|| "at_most"),
        async move |
            yield_resource: ::contextlib::YieldOnce<'_, _, _>,
        | -> ::core::result::Result<(), Elapsed> {
            let yield_resource: ::contextlib::YieldOnce<'_, ()> = yield_resource;
            let limit = limit;
            #[allow(unused_braces)]
            let end = {
                tokio::time::timeout(
                        limit,
                        async {
                            let _ = yield_resource!(@ unit yield_resource);
                        },
                    )
                    .await
            };
            #[allow(unreachable_code)] ::contextlib::__private::Tail::<Elapsed>::end(end)
        },
    )
}
