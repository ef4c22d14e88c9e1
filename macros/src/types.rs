//! What is asked of a type or a path, without knowing more of it than its tokens.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{
    GenericArgument, Generics, Path, PathArguments, PathSegment, Type, TypeParamBound,
    WherePredicate,
};

use crate::tokens::contains_word;

/// The types of the standard library that have parameters, and are likely in a signature.
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

pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ungroup(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The last name of a path.
pub(crate) fn name_of(path: &Path) -> Option<&Ident> {
    path.segments.last().map(|segment| &segment.ident)
}

pub(crate) fn is_path_to(ty: &Type, name: &Ident) -> bool {
    matches!(ungroup(ty), Type::Path(path) if path.qself.is_none() && path.path.is_ident(name))
}

/// The bounds of a type parameter: its own, and those of the `where` clause.
pub(crate) fn bounds_of<'g>(
    name: &'g Ident,
    generics: &'g Generics,
) -> impl Iterator<Item = &'g TypeParamBound> {
    let params = generics
        .type_params()
        .filter(move |param| param.ident == *name);
    let clause = generics
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates);
    let clause = clause.filter_map(move |predicate| match predicate {
        WherePredicate::Type(of) => is_path_to(&of.bounded_ty, name).then_some(&of.bounds),
        _ => None,
    });
    params.map(|param| &param.bounds).chain(clause).flatten()
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

/// Whether a type of the standard library that has parameters has this name.
pub(crate) fn is_std(name: &str) -> bool {
    STD.contains(&name)
}
