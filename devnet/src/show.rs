//! `up`: what a newcomer watches, then a banner, then it stays.

use crate::accounts::{MNEMONIC, Role};
use crate::events::{Events, What};
use crate::network::{Network, Settings};
use crate::scenario::{REVIEW, Story, ask_judge, claimed, settled, window};
use alloy::primitives::hex;
use assay_node::shutdown::Shutdown;
use std::path::Path;
use std::time::{Duration, Instant};

/// Starts everything, shows it, and stays up until `shutdown`.
pub async fn up(settings: Settings, dispute: bool, shutdown: &Shutdown) -> anyhow::Result<()> {
    let started = Instant::now();
    let root = settings.root.clone();
    let mut net = tokio::select! {
        net = Network::start(settings) => net?,
        () = shutdown.wait() => return Ok(()),
    };
    let shown = tokio::select! {
        shown = show(&mut net, started, dispute) => shown,
        () = shutdown.wait() => Ok(()),
    };
    let data = net.settings.data.clone();
    println!("\nstopping; data and logs stay in {}", data.display());
    // The copy at a fixed place is for `ask`.
    let _ = std::fs::remove_file(root.join("target/devnet/deployment.json"));
    net.stop().await;
    shown
}

async fn show(net: &mut Network, started: Instant, dispute: bool) -> anyhow::Result<()> {
    let shared = net.settings.root.join("target/devnet");
    std::fs::create_dir_all(&shared)?;
    net.deployment.save(&shared.join("deployment.json"))?;
    net.service(Role::Sequencer, &[]).await?;
    net.service(Role::Executor, &[]).await?;
    net.service(Role::Watchtower, &["--keeper"]).await?;
    let mut events = Events::new(
        net.user.clone(),
        &net.deployment.contracts,
        net.deployment.block,
        false,
    )
    .arity(net.settings.arity_log2);
    let mut story = Story::default();
    println!("\n-- a contract asks, an honest executor answers");
    let honest = ask_judge(net, REVIEW).await?;
    story
        .until(net, &mut events, Duration::from_secs(60), "answer", |e| {
            claimed(e, honest, None)
        })
        .await?;
    println!(
        "   first answer after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    if dispute {
        println!("\n-- a lying executor takes the next question; the watchtower notices");
        net.stop_service(Role::Executor).await;
        net.service(
            Role::Liar,
            &["--dangerous-cheat", "token:0", "--dangerous-flip", "random"],
        )
        .await?;
        let liar = Role::Liar.address()?;
        let lied = ask_judge(net, "The screen is beautiful, but the battery is terrible.").await?;
        story
            .until(net, &mut events, Duration::from_secs(60), "lie", |e| {
                claimed(e, lied, Some(liar))
            })
            .await?;
        net.service(Role::Executor, &[]).await?;
        let clock = Duration::from_secs(2 * net.settings.allowance + 120);
        let over =
            |e: &[crate::events::Event]| e.iter().any(|e| matches!(e.what, What::Won { .. }));
        story
            .until(net, &mut events, clock, "end of the game", over)
            .await?;
        net.stop_service(Role::Liar).await;
        println!(
            "\n-- the liar is slashed; its question goes to the honest executor, and both answers become final"
        );
        let (window, rest) = window(net);
        story
            .until(net, &mut events, rest, &window, |e| {
                settled(e, lied) && settled(e, honest)
            })
            .await?;
    } else {
        let (window, rest) = window(net);
        story
            .until(net, &mut events, rest, &window, |e| settled(e, honest))
            .await?;
    }
    banner(net)?;
    // Whatever anybody does from here on is shown as it happens.
    story.follow(net, &mut events).await
}

fn banner(net: &Network) -> anyhow::Result<()> {
    let c = &net.deployment.contracts;
    println!("\nAssay devnet\n============\n");
    println!("Accounts (mnemonic: {MNEMONIC}; for this machine only)");
    for role in Role::ALL {
        println!(
            "  {:<17} {}  0x{}",
            role.name(),
            role.address()?,
            hex::encode(role.signer()?.to_bytes())
        );
    }
    println!("\nContracts");
    for (name, address) in c.all() {
        println!("  {name:<17} {address}");
    }
    println!(
        "\nModel             {} ({})",
        net.deployment.models[0].id, net.deployment.models[0].name
    );
    println!(
        "RPC               {} (chain {}, 1 s blocks)",
        net.rpc, net.deployment.chain_id
    );
    println!("gRPC              {}", net.grpc);
    for role in [Role::Sequencer, Role::Executor, Role::Watchtower] {
        if let Some(port) = net.admin_port(role) {
            println!(
                "{:<17} http://127.0.0.1:{port}/metrics  /livez /readyz /status",
                role.name()
            );
        }
    }
    println!("Logs and data     {}", net.settings.data.display());
    println!(
        "Clocks            window {} s, each player {} s a game",
        net.settings.window, net.settings.allowance
    );
    let judge = c.review_judge.map_or_else(String::new, |a| a.to_string());
    let key = hex::encode(Role::User.signer()?.to_bytes());
    let (cast, devnet) = (cast(&net.settings.root), this_program(&net.settings.root));
    println!("\nAsk from a contract:");
    println!(
        "  {cast} send {judge} 'judge(string)' 'Nice colour, and it fits.' --value 0.003ether --rpc-url {} --private-key 0x{key}",
        net.rpc
    );
    println!("Ask by gRPC:");
    println!(
        "  {devnet} ask 'Story: Once upon a time' --rpc-url {} --grpc {}",
        net.rpc, net.grpc
    );
    println!("See a dispute, on a chain of its own:");
    println!("  {devnet} run --once --cheat token:0 --flip random:7 --json report.json");
    println!("\nCtrl-C ends everything.\n");
    Ok(())
}

/// cast as one types it in the repository: npm's where it was installed, else PATH's, which comes with PATH's anvil.
fn cast(root: &Path) -> String {
    let npm = "contracts/node_modules/.bin/cast";
    let found = root.join(npm).exists();
    if found { npm } else { "cast" }.to_owned()
}

/// This program as one types it in the repository.
fn this_program(root: &Path) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "assay-devnet".into());
    let short = root.canonicalize().ok().and_then(|root| {
        let short = program.strip_prefix(root).ok()?;
        Some(short.to_owned())
    });
    short.unwrap_or(program).display().to_string()
}
