#![allow(missing_docs)]
use xtask::*;
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let stack = Stack::attach(std::path::Path::new(&std::env::args().nth(1).unwrap())).await?;
    let uri = stack.mongod().uri().to_owned();
    let a = source_config(&uri, "sa.a", &serde_json::json!({}));
    let b = source_config(&uri, "sa.b", &serde_json::json!({}));
    let sa = Standalone::start(stack.kafka_bootstrap()?, &[("a", &a), ("ü \"🛒\"", &b)]).await?;
    println!("{} {}", sa.connect().url(), sa.offsets_file().display());
    for _ in 0..10 {
        stack.mongod().insert("sa.a", mongodb::bson::doc! {"x":1}).await?;
        stack.mongod().insert("sa.b", mongodb::bson::doc! {"x":1}).await?;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line)? > 0 {
        match line.trim() {
            "stop" => sa.stop()?,
            "start" => sa.start_again().await?,
            "kill" => sa.kill()?,
            "q" => break,
            _ => {}
        }
        println!("ok {}", line.trim());
        line.clear();
    }
    Ok(())
}
