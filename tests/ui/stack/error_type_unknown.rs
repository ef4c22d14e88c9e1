//! Nothing says which error the stack raises.
use contextlib::ExitStack;

async fn caller() -> Result<(), Box<dyn std::error::Error>> {
    let stack = ExitStack::new();
    stack.callback(|| println!("bye"));
    stack.exit().await?;
    Ok(())
}

fn main() {}
