/// Inserts.
#[tokio::test]
async fn inserts() {
    ::contextlib::__private::value({
        let (mut opening, frame) = ::contextlib::__private::Block.open(database());
        let frame = ::core::pin::pin!(frame);
        let mut session = opening.session(frame);
        match session.setup().await {
            ::core::result::Result::Ok(resource) => {
                let body = ::core::pin::pin!(
                    ::core::option::Option::Some(async { let mut resource = resource; let
                    database = & mut * resource; { let (mut opening, frame) =
                    ::contextlib::__private::Block.open(logging()); let frame =
                    ::core::pin::pin!(frame); let mut session = opening.session(frame);
                    match session.setup(). await { ::core::result::Result::Ok(resource)
                    => { let body = ::core::pin::pin!(::core::option::Option::Some(async
                    { let mut resource = resource; let database : & mut Database =
                    database; #[allow(unused_braces, clippy::items_after_statements)] {
                    if let ::core::option::Option::Some(returned) =
                    ::core::option::Option::None:: < () > { return returned; } database
                    .insert(1). await; } })); let end = session.run(body,
                    ::core::result::Result::Ok). await; session.returned_or_panic(end) }
                    ::core::result::Result::Err(not_entered) => session
                    .refused_or_panic(not_entered), } } })
                );
                let end = session.run(body, ::core::convert::identity).await;
                session.returned_or_panic(end)
            }
            ::core::result::Result::Err(not_entered) => {
                session.refused_or_panic(not_entered)
            }
        }
    })
}
