use quote::{ToTokens, quote};

use super::*;

#[test]
fn inner_attributes_move_out_of_the_body() {
    let function: Function = syn::parse2(quote!(
        #[outer]
        async fn f() {
            #![inner]
            body
        }
    ))
    .unwrap();
    let attrs = function
        .attrs
        .iter()
        .map(|attr| attr.to_token_stream().to_string())
        .collect::<Vec<_>>();
    assert_eq!(attrs, ["# [outer]", "# [inner]"]);
    assert_eq!(function.body.unwrap().stream().to_string(), "body");
}

#[test]
fn a_body_need_not_be_finished() {
    let function: Function = syn::parse2(quote!(pub async fn f() -> u8 { let x = y. })).unwrap();
    assert_eq!(function.body.unwrap().stream().to_string(), "let x = y .");
    let function: Function = syn::parse2(quote!(
        async fn f(&self) -> u8;
    ))
    .unwrap();
    assert!(function.body.is_none());
}

#[test]
fn a_body_may_come_from_a_fragment() {
    let fragment = Group::new(Delimiter::None, quote!({ body }));
    let function: Function = syn::parse2(quote!(async fn f() #fragment)).unwrap();
    assert_eq!(function.body.unwrap().stream().to_string(), "body");
}
