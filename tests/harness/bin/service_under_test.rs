//! The service in a process of its own, for scenarios that kill it.

#[tokio::main]
async fn main() {
    gatewright_tests::service::serve_under_test().await;
}
