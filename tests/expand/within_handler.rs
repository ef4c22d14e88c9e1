pub(crate) async fn create(
    State(pool): State<Pool>,
    Json(new): Json<New>,
) -> Result<Json<Id>, AppError> {
    {
        let (mut opening, frame) = ::contextlib::__private::Block
            .open(transaction(pool.clone()));
        let frame = ::core::pin::pin!(frame);
        let mut session = opening.session(frame);
        match session.setup().await {
            ::core::result::Result::Ok(resource) => {
                let body = ::core::pin::pin!(
                    ::core::option::Option::Some(async { let mut resource = resource; let
                    tx = & mut * resource; let mut tx : & mut Tx < '_ > = tx;
                    #[allow(unused_braces, clippy::items_after_statements)] { if let
                    ::core::option::Option::Some(returned) =
                    ::core::option::Option::None:: < Result < Json < Id >, AppError > > {
                    return returned; } Ok(Json(insert(& mut tx, new). await ?)) } })
                );
                let end = session.run(body, ::core::convert::identity).await;
                session.returned_whole(end)
            }
            ::core::result::Result::Err(not_entered) => {
                session.refused_whole(not_entered)
            }
        }
    }
}
