use quote::quote;

use super::*;
use crate::error::Errors;

fn returns(args: TokenStream, output: TokenStream) -> String {
    let args = Args::parse(args, &mut Errors::default());
    match Returns::new(&syn::parse2(output).unwrap(), &args) {
        Returns::Plain(ty) => format!("plain {}", ty.to_token_stream()),
        Returns::Result { resource, error } => format!(
            "{} or {}",
            resource.to_token_stream(),
            error.to_token_stream()
        ),
        Returns::Alias(ty) => format!("alias {}", ty.to_token_stream()),
    }
}

#[test]
fn what_is_fallible_is_guessed() {
    assert_eq!(returns(quote!(), quote!()), "plain ()");
    assert_eq!(returns(quote!(), quote!(-> ())), "plain ()");
    assert_eq!(returns(quote!(), quote!(-> Pool)), "plain Pool");
    assert_eq!(
        returns(quote!(), quote!(-> Result<Tx, Error>)),
        "Tx or Error"
    );
    assert_eq!(
        returns(quote!(), quote!(-> ::core::result::Result<Tx, Error>)),
        "Tx or Error"
    );
    assert_eq!(
        returns(quote!(), quote!(-> (std::result::Result<Tx, Error>))),
        "Tx or Error"
    );
    assert_eq!(
        returns(quote!(), quote!(-> io::Result<Tx>)),
        "alias io :: Result < Tx >"
    );
    assert_eq!(
        returns(quote!(), quote!(-> anyhow::Result<Tx, Error>)),
        "alias anyhow :: Result < Tx , Error >"
    );
    assert_eq!(
        returns(quote!(), quote!(-> fmt::Result)),
        "alias fmt :: Result"
    );
    assert_eq!(
        returns(quote!(), quote!(-> QueryResult<Tx>)),
        "alias QueryResult < Tx >"
    );
}

#[test]
fn the_attribute_overrides_the_guess() {
    assert_eq!(
        returns(quote!(infallible), quote!(-> QueryResult)),
        "plain QueryResult"
    );
    assert_eq!(
        returns(quote!(infallible), quote!(-> Result<A, B>)),
        "plain Result < A , B >"
    );
    assert_eq!(
        returns(quote!(fallible), quote!(-> Fallible<Tx>)),
        "alias Fallible < Tx >"
    );
}
