trait Store {
    /// Opened by each kind of store.
    fn transaction(
        &self,
        name: &str,
    ) -> ::contextlib::ContextManager<
        impl ::contextlib::AsyncContext<
            Resource = Transaction,
            Kind = ::contextlib::kind::Fallible<Error>,
        > + ::core::marker::Send + 'static,
        ::contextlib::policy::Spawn,
    >;
}
