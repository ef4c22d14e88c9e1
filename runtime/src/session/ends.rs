//! What block style says at a context's end.

use super::{BodyEnd, ErrorOf, Session};
use crate::{
    AsyncContext, Outcome,
    frame::NotEntered,
    kind::{Kind, Never, Out, RaiseAs, Suppression, Whole},
    outcome::missing,
    policy::Policy,
};
use std::fmt::Debug;

type SuppressionOf<C> = <<C as AsyncContext>::Kind as Kind>::Suppression;

impl<C: AsyncContext, P: Policy<C>> Session<'_, C, P> {
    /// The end of a context whose body returns a `Result`.
    pub fn returned<V, B>(&self, end: BodyEnd<V, B, ErrorOf<C>>) -> Result<Out<C::Kind, V>, B>
    where
        C::Kind: RaiseAs<B>,
        B: Debug + Send + 'static,
    {
        end.0.into_result::<C::Kind>(self.entered())
    }

    /// The setup of a context whose body would return a `Result` has failed.
    pub fn refused<V, B>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<Out<C::Kind, V>, B>
    where
        C::Kind: RaiseAs<B>,
    {
        match not_entered {
            NotEntered::Failed(error) => Err(C::Kind::raise(error)),
            NotEntered::Skipped(_) => Ok(missing::<C::Kind, V>(self.entered().definition)),
        }
    }

    /// [`returned`](Session::returned), for a function that returns the value itself.
    pub fn returned_whole<V, B>(&self, end: BodyEnd<V, B, ErrorOf<C>>) -> Result<V, B>
    where
        C::Kind: RaiseAs<B>,
        SuppressionOf<C>: Whole<V>,
        B: Debug + Send + 'static,
    {
        self.returned(end)
            .map(<SuppressionOf<C> as Whole<V>>::whole)
    }

    /// [`refused`](Session::refused), for a function that returns the value itself.
    pub fn refused_whole<V, B>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<V, B>
    where
        C::Kind: RaiseAs<B>,
        SuppressionOf<C>: Whole<V>,
    {
        self.refused(not_entered)
            .map(<SuppressionOf<C> as Whole<V>>::whole)
    }

    /// The end of a context whose body returns a plain value.
    ///
    /// # Panics
    /// If the teardown fails.
    pub fn returned_or_panic<V>(&self, end: BodyEnd<V, Never, ErrorOf<C>>) -> Result<V, Never>
    where
        SuppressionOf<C>: Whole<V>,
    {
        let definition = self.entered().definition;
        let out = match end.0.into_outcome::<C::Kind>(self.entered()) {
            Outcome {
                context: Err(error),
                ..
            } => panic!("{definition} failed: {error:?}"),
            Outcome { body, .. } => match body {
                Some(Ok(value)) => SuppressionOf::<C>::value(value),
                Some(Err(never)) => match never {},
                None => missing::<C::Kind, V>(definition),
            },
        };
        Ok(<SuppressionOf<C> as Whole<V>>::whole(out))
    }

    /// The setup of a context whose body would return a plain value has failed.
    ///
    /// # Panics
    /// If it has an error.
    pub fn refused_or_panic<V>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<V, Never>
    where
        SuppressionOf<C>: Whole<V>,
    {
        match not_entered {
            NotEntered::Failed(error) => panic!("{} failed: {error:?}", self.entered().definition),
            NotEntered::Skipped(_) => {
                let out = missing::<C::Kind, V>(self.entered().definition);
                Ok(<SuppressionOf<C> as Whole<V>>::whole(out))
            }
        }
    }
}
