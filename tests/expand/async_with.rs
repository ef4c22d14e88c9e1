fn block() {
    async move {
        let (mut opening, frame) = ::contextlib::__private::Block.open(database(url));
        let frame = ::core::pin::pin!(frame);
        let mut session = opening.session(frame);
        match session.setup().await {
            ::core::result::Result::Ok(resource) => {
                let body = ::core::pin::pin!(
                    ::core::option::Option::Some(async { let mut resource = resource; let
                    db = & mut * resource; { let (mut opening, frame) =
                    ::contextlib::__private::Block.open(transaction(db.pool())); let
                    frame = ::core::pin::pin!(frame); let mut session = opening
                    .session(frame); match session.setup(). await {
                    ::core::result::Result::Ok(resource) => { let body =
                    ::core::pin::pin!(::core::option::Option::Some(async move { let mut
                    resource = resource; if let ::core::option::Option::Some(returned) =
                    ::core::option::Option::None:: < Result < i64, AppError > > { return
                    returned; } #[allow(unused_braces)] { insert(db). await } })); let
                    end = session.run(body, ::contextlib::__private::returned()). await;
                    session.returned(end) } ::core::result::Result::Err(not_entered) =>
                    session.refused(not_entered), } } })
                );
                let end = session.run(body, ::core::convert::identity).await;
                session.returned(end)
            }
            ::core::result::Result::Err(not_entered) => session.refused(not_entered),
        }
    }
}
