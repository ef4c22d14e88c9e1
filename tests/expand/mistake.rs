::core::compile_error! {
    "this is the second yield on one path, but a context yields once: to lend two things, yield a tuple; to lend another after the first, write another context"
}
fn transaction(
    pool: Pool,
) -> ::contextlib::ContextManager<
    impl ::contextlib::AsyncContext<
        Resource = Transaction,
        Kind = ::contextlib::kind::Fallible<Error>,
    > + ::core::marker::Send + 'static,
    ::contextlib::policy::Spawn,
> {
    let _ = &pool;
    {
        ::contextlib::__for_editors! {
            let _ = async move | yield_resource : ::contextlib::YieldOnce < '_, _, _ > |
            -> ::core::result::Result < (), Error > { let yield_resource :
            ::contextlib::YieldOnce < '_, Transaction > = yield_resource; let pool =
            pool; let end = { let mut tx = pool.begin(). await ?; let _ =
            yield_resource!(@ place yield_resource, tx); let _ = yield_resource!(@ place
            yield_resource, tx); }; #[allow(unreachable_code)]
            ::contextlib::__private::Tail:: < Error > ::end(end) };
        }
    }
    yield_resource!(@ mention);
    ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
        Transaction,
        ::contextlib::kind::Fallible<Error>,
        _,
    >(
        ::contextlib::__private::defined(|| "transaction"),
        async move |
            _: ::contextlib::YieldOnce<'_, _, _>,
        | -> ::core::result::Result<(), Error> { ::core::unreachable!() },
    )
}
