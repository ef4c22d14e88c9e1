fn block() {
    async move {
        let (mut opening, frame) = ::contextlib::__private::open(database(url));
        let frame = ::core::pin::pin!(frame);
        let mut session = opening.session(frame);
        match session.setup().await {
            ::core::result::Result::Ok(resource) => {
                let body = ::core::pin::pin!(
                    ::core::option::Option::Some(async { let mut resource = resource; let
                    body = ::core::pin::pin!(::core::option::Option::Some(async { let db
                    = & mut * resource; { let (mut opening, frame) =
                    ::contextlib::__private::open(transaction(db.pool())); let frame =
                    ::core::pin::pin!(frame); let mut session = opening.session(frame);
                    match session.setup(). await { ::core::result::Result::Ok(resource)
                    => { let body = ::core::pin::pin!(::core::option::Option::Some(async
                    { let mut resource = resource; let body =
                    ::core::pin::pin!(::core::option::Option::Some(async {
                    ::contextlib::__private::returned(::contextlib::__private::called(async
                    move || -> Result < i64, AppError > { insert(db). await }). await)
                    })); ::contextlib::__private::caught(body). await })); let end =
                    session.run(body). await; session.returned(end) }
                    ::core::result::Result::Err(not_entered) => session
                    .refused(not_entered), } } })); ::contextlib::__private::caught(body)
                    . await })
                );
                let end = session.run(body).await;
                session.returned(end)
            }
            ::core::result::Result::Err(not_entered) => session.refused(not_entered),
        }
    }
}
