impl Store {
    fn patterns(
        mut self: Box<Self>,
        count: u8,
        arg2: (u8, u8),
        arg3: Wrapper,
        _unused: u8,
        arg5: u8,
        #[cfg(unix)]
        #[allow(unused_variables)]
        fd: RawFd,
    ) -> ::contextlib::ContextManager<
        impl ::contextlib::AsyncContext<
            Resource = u8,
            Kind = ::contextlib::kind::Fallible<Error>,
        > + 'static,
        ::contextlib::policy::SpawnLocal,
    > {
        ::contextlib::__private::on_cancel_spawn_local_needs_a_static_frame::<
            u8,
            ::contextlib::kind::Fallible<Error>,
            _,
        >(
            ::contextlib::__private::defined(|| "patterns"),
            async move |
                yield_resource: ::contextlib::YieldOnce<'_, _, _>,
            | -> ::core::result::Result<(), Error> {
                let yield_resource: ::contextlib::YieldOnce<'_, u8> = yield_resource;
                let _ = &self;
                let mut count = count;
                let arg2 = arg2;
                let (a, mut b) = arg2;
                let arg3 = arg3;
                let Wrapper(inner) = arg3;
                #[allow(
                    clippy::no_effect_underscore_binding,
                    clippy::used_underscore_binding
                )]
                let _unused = _unused;
                let arg5 = arg5;
                let _ = &arg5;
                #[cfg(unix)]
                #[allow(unused_variables)]
                let fd = fd;
                let end = {
                    count += a;
                    b += count;
                    yield_resource!(@ value yield_resource, b + inner).into_result()
                };
                #[allow(unreachable_code)]
                ::contextlib::__private::Tail::<Error>::end(end)
            },
        )
    }
}
