//! A struct without the protocol.
use contextlib::IntoContextManager;

struct Database;

async fn uses(database: Database) {
    let _ = database.enter().await;
}

fn enters(context: impl IntoContextManager) {
    drop(context);
}

fn main() {
    drop(uses(Database));
    enters(Database);
}
