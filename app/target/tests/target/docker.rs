//! Containers.

use gatewright_core::target::{Health, Target};

use crate::world::{World, pool};

#[tokio::test]
async fn a_pool_has_exactly_as_many_instances_as_it_should_however_often_that_is_said() {
    let world = World::new();
    let pool = pool("1.0.0");
    let first = world.ready(&pool, 3).await;
    assert_eq!(first.len(), 3);
    let again = world.deploy(&pool, 3).await;
    assert_eq!(
        again.iter().map(|i| (&i.id, &i.address)).collect::<Vec<_>>(),
        first.iter().map(|i| (&i.id, &i.address)).collect::<Vec<_>>()
    );
    let fewer = world.deploy(&pool, 1).await;
    assert_eq!(fewer.len(), 1);
    assert_eq!(fewer[0].health, Health::Ready);
    let planned = world.target.plan(&world.place, &pool).await.unwrap();
    assert_eq!(planned.config_hash, fewer[0].config_hash);
    world.target.remove(&world.place, &[fewer[0].id.clone(), "gw-none-1".to_owned()]).await.unwrap();
    assert_eq!(world.observe().await, []);
}
