//! What is asked of a type, without knowing more of it than its tokens.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type};

use crate::tokens::contains_word;

/// The types of the standard library with parameters that one meets in a signature.
const STD: [&str; 37] = [
    "Arc",
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "Box",
    "BufReader",
    "BufWriter",
    "Cell",
    "Cow",
    "HashMap",
    "HashSet",
    "LazyCell",
    "LazyLock",
    "LinkedList",
    "ManuallyDrop",
    "MaybeUninit",
    "Mutex",
    "MutexGuard",
    "NonNull",
    "NonZero",
    "OnceCell",
    "OnceLock",
    "Option",
    "PhantomData",
    "Pin",
    "Range",
    "Rc",
    "Receiver",
    "Ref",
    "RefCell",
    "RefMut",
    "Reverse",
    "RwLock",
    "Sender",
    "Vec",
    "VecDeque",
    "Weak",
];

/// Sees through parentheses, and through the invisible ones that a `$ty:ty` of a macro leaves.
pub(crate) fn ungroup(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungroup(&group.elem),
        Type::Paren(paren) => ungroup(&paren.elem),
        _ => ty,
    }
}

pub(crate) fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ungroup(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Whether a type is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

pub(crate) fn contains_impl(tokens: impl ToTokens) -> bool {
    contains_word(tokens, "impl")
}

/// Whether a type is called `Result`, or something that ends in that.
pub(crate) fn is_named_result(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident.to_string().ends_with("Result"))
}

/// Whether a type may be a `Result` by another name, as far as that tells: it has parameters, and isn't one of the standard library's.
pub(crate) fn may_be_an_alias(ty: &Type) -> bool {
    let Some(segment) = last_segment(ty) else {
        return false;
    };
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return false;
    };
    let takes_a_type = |argument: &GenericArgument| matches!(argument, GenericArgument::Type(_));
    arguments.args.iter().any(takes_a_type) && !is_std(&segment.ident.to_string())
}

/// Whether a type of the standard library that has parameters is called so.
pub(crate) fn is_std(name: &str) -> bool {
    STD.contains(&name)
}
