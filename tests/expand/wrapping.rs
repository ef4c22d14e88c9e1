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
        "at_most",
        async move |
            yielder: ::contextlib::Yielder<'_, _, _>,
        | -> ::core::result::Result<(), Elapsed> {
            let the_one_yield: ::contextlib::Yielder<'_, ()> = yielder;
            let limit = limit;
            #[allow(unused_braces)]
            let end = {
                tokio::time::timeout(
                        limit,
                        async {
                            let _ = yield_resource!(@ unit the_one_yield);
                        },
                    )
                    .await
            };
            #[allow(unreachable_code)] ::contextlib::__private::end(end)
        },
    )
}
