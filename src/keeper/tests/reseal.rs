//! Another key seals from now on, and what the old one sealed is sealed anew.

use super::*;
use crate::{domain::AuthorizationId, secrets::Sealer, store::SealedTokens};

/// A ring of the keys with these numbers, made once each.
fn ring(keys: &[&Secret]) -> Sealer {
    Sealer::parse(&Secret::new(keys.iter().map(|key| key.expose()).collect::<Vec<_>>().join("\n"))).unwrap()
}

async fn sealed(bench: &Bench, id: AuthorizationId) -> SealedTokens {
    bench.store.read(bench.clock.now()).await.unwrap().sealed_tokens(id).await.unwrap().unwrap()
}

/// Two accounts, one of which has renewed its tokens and so keeps the refresh token before, all sealed with `old`.
async fn two_accounts(old: &Secret) -> Bench {
    let mut bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.seal_with(ring(&[old]));
    bench.market().covers = ["a".into()].into();
    bench.market().more = [("seller-2".into(), ["b".into()].into())].into();
    bench.consent("a").await.unwrap();
    bench.clock.advance(LATER);
    bench.keeper.access(&shop("a")).await.unwrap();
    assert!(sealed(&bench, AuthorizationId(1)).await.previous_refresh_token.is_some());
    bench
}

#[tokio::test]
async fn everything_is_sealed_anew_and_opens_without_the_old_key() {
    let (old, new) = (Sealer::generate(), Sealer::generate());
    let mut bench = two_accounts(&old).await;
    bench.seal_with(ring(&[&new, &old]));
    assert_eq!(bench.keeper.reseal().await.unwrap(), (2, 2));
    assert_eq!(bench.keeper.reseal().await.unwrap(), (0, 2), "once is enough");

    bench.seal_with(ring(&[&new]));
    for id in ["a", "b"] {
        bench.keeper.access(&shop(id)).await.unwrap();
    }
    let tokens = sealed(&bench, AuthorizationId(1)).await;
    let previous = tokens.previous_refresh_token.unwrap();
    let row = format!("authorization/1/refresh_token/{}", tokens.generation - 1);
    assert_eq!(ring(&[&new]).open(&previous, &row).unwrap().expose(), "refresh-1");
}

#[tokio::test]
async fn half_way_both_keys_open_everything_and_a_second_run_does_the_rest() {
    let (old, new) = (Sealer::generate(), Sealer::generate());
    let mut bench = two_accounts(&old).await;
    bench.seal_with(ring(&[&new, &old]));
    // Cut off after the first: as if the process had died there.
    let before = sealed(&bench, AuthorizationId(2)).await;
    bench.keeper.reseal().await.unwrap();
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    assert!(tx.put_sealed(AuthorizationId(2), before.generation, &before).await.unwrap());
    tx.commit().await.unwrap();
    for id in ["a", "b"] {
        bench.keeper.access(&shop(id)).await.unwrap();
    }
    assert_eq!(bench.keeper.reseal().await.unwrap(), (1, 2));
}

#[tokio::test]
async fn a_key_that_is_missing_is_named_and_nothing_is_changed() {
    let (old, new) = (Sealer::generate(), Sealer::generate());
    let mut bench = two_accounts(&old).await;
    bench.seal_with(ring(&[&new]));
    let before = sealed(&bench, AuthorizationId(1)).await;
    let error = bench.keeper.reseal().await.unwrap_err();
    assert!(error.to_string().contains("not among the keys given"), "{error}");
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    assert!(error.to_string().contains("not among the keys given"), "{error}");
    assert_eq!(sealed(&bench, AuthorizationId(1)).await, before);
    bench.seal_with(ring(&[&old]));
    bench.keeper.access(&shop("a")).await.unwrap();
}
