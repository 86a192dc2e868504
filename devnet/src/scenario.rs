//! One scenario from question to callback, and its report.

use crate::accounts::Role;
use crate::deploy::CALLBACK_FEE;
use crate::disrupt::{CENSOR, Disruption, say};
use crate::events::{Event, Events, What, short};
use crate::network::{Network, spinner};
use crate::price::fee_for;
use crate::report::{DisputeReport, Report, RequestReport, Scenario, TransactionReport};
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use anyhow::{Context, bail};
use assay_bindings::{DisputeGame, Inbox, ReviewJudge, Staking};
use assay_machine::isa::Op;
use assay_types::output::Output;
use assay_types::request::Payload;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Tokens that `ReviewJudge` asks for.
const JUDGE_TOKENS: u32 = 8;
/// What an honest party may have spent on work outside games (finalizing, delivering, staking): 20M gas at 2 gwei.
const UPKEEP: u128 = 40_000_000_000_000_000;
/// Seconds in which a request for the inbox itself has to be posted.
const INCLUSION: u64 = 600;
/// The question of every scenario that has none of its own.
pub const REVIEW: &str = "This is the best kettle, it is great!";

/// What a party owns, wei: balance, credits, free and locked stake.
pub async fn wealth(net: &Network, who: Address) -> anyhow::Result<U256> {
    let c = &net.deployment.contracts;
    let balance = net.user.get_balance(who).await?;
    let game = DisputeGame::new(c.game, &net.user)
        .credit(who)
        .call()
        .await?;
    let inbox = Inbox::new(c.inbox, &net.user).credit(who).call().await?;
    let stake = Staking::new(c.staking, &net.user)
        .accounts(who)
        .call()
        .await?;
    Ok(balance + game + inbox + U256::from(stake.staked))
}

/// Asks the sample dApp; returns the request's id.
pub async fn ask_judge(net: &Network, review: &str) -> anyhow::Result<B256> {
    let judge = net
        .deployment
        .contracts
        .review_judge
        .context("the devnet deploys a ReviewJudge")?;
    let judge = ReviewJudge::new(judge, &net.user);
    // The prompt that the dApp makes of it.
    let prompt = format!("Review: {review}\nSentiment:");
    let payload = Payload::greedy(&prompt, JUDGE_TOKENS).encode();
    let model = &net.deployment.models[0];
    let fee = fee_for(
        &net.user,
        &net.deployment,
        model,
        payload.len(),
        JUDGE_TOKENS,
    )
    .await?;
    let call = judge
        .judge(review.to_owned())
        .value(U256::from(CALLBACK_FEE + fee));
    let receipt = call.send().await?.get_receipt().await?;
    let asked = receipt
        .decoded_log::<ReviewJudge::ReviewAsked>()
        .context("the dApp asked nothing")?;
    Ok(asked.data.id)
}

/// Asks the inbox itself, without a callback; returns the request's id.
pub async fn ask_inbox(net: &Network, prompt: &str, max_tokens: u32) -> anyhow::Result<B256> {
    let model = &net.deployment.models[0];
    let payload = Payload::greedy(prompt, max_tokens).encode();
    let fee = fee_for(&net.user, &net.deployment, model, payload.len(), max_tokens).await?;
    let head = net.user.get_block(BlockId::latest()).await?;
    let now = head.context("the chain has no block")?.header.timestamp;
    let params = Inbox::RequestParams {
        modelId: model.id,
        callback: Address::ZERO,
        callbackGas: 0,
        delivery: 0,
        tolerant: false,
        minBond: 0,
        fee,
        callbackFee: 0,
        refundTo: Role::User.address()?,
        inclusionDeadline: now + INCLUSION,
    };
    let inbox = Inbox::new(net.deployment.contracts.inbox, &net.user);
    let call = inbox
        .request(params, payload.into(), Bytes::new())
        .value(U256::from(fee));
    let receipt = call.send().await?.get_receipt().await?;
    let asked = receipt
        .decoded_log::<Inbox::Requested>()
        .context("the inbox opened no request")?;
    Ok(asked.data.id)
}

/// What has been seen so far.
#[derive(Default)]
pub struct Story {
    events: Vec<Event>,
}

impl Story {
    /// Polls until `done` says so or `limit` is over; who watches sees what is waited for.
    pub async fn until(
        &mut self,
        net: &mut Network,
        events: &mut Events,
        limit: Duration,
        what: &str,
        done: impl Fn(&[Event]) -> bool,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let wait = spinner(net.settings.talk, &format!("waiting for the {what}"));
        events.print_above(&wait);
        while !done(&self.events) {
            net.check()?;
            self.events.extend(events.poll().await?);
            if started.elapsed() > limit {
                bail!(
                    "no {what} after {} s; logs are in {}",
                    limit.as_secs(),
                    net.settings.data.display()
                );
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        wait.finish_and_clear();
        Ok(())
    }

    /// Polls for ever.
    pub async fn follow(&mut self, net: &mut Network, events: &mut Events) -> anyhow::Result<()> {
        loop {
            net.check()?;
            self.events.extend(events.poll().await?);
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    /// Everything seen.
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

/// Whether the request has an answer on chain.
pub fn claimed(events: &[Event], id: B256, by: Option<Address>) -> bool {
    let matches = |e: &Event| matches!(&e.what, What::Claim { id: i, executor, .. } if *i == id && by.is_none_or(|a| a == *executor));
    events.iter().any(matches)
}

/// Whether the request is final.
fn is_final(events: &[Event], id: B256) -> bool {
    events
        .iter()
        .any(|e| matches!(e.what, What::Final { id: i, .. } if i == id))
}

/// Whether the request is final and its last callback was made.
pub fn settled(events: &[Event], id: B256) -> bool {
    let finality = |e: &Event| matches!(e.what, What::Delivered { id: i, mode: 1, .. } if i == id);
    is_final(events, id) && events.iter().any(finality)
}

/// What a final answer waits for, and for how long at most.
pub fn window(net: &Network) -> (String, Duration) {
    let seconds = net.settings.window;
    (
        format!("end of the challenge window of {seconds} s"),
        Duration::from_secs(seconds + 120),
    )
}

fn game_over(events: &[Event]) -> bool {
    events.iter().any(|e| matches!(e.what, What::Won { .. }))
}

fn moves(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|e| matches!(e.what, What::Moved { .. }))
        .count()
}

/// Runs one scenario on a fresh network.
pub async fn run(
    net: &mut Network,
    scenario: Scenario,
    started: Instant,
    quiet: bool,
) -> anyhow::Result<Report> {
    let lies = scenario.lies();
    if !quiet {
        println!("\n-- {}", scenario.tale());
        println!("   data and logs are in {}", net.settings.data.display());
    }
    let mut events = Events::new(
        net.user.clone(),
        &net.deployment.contracts,
        net.deployment.block,
        quiet,
    )
    .arity(net.settings.arity_log2);
    let mut story = Story::default();
    let honest = [Role::Executor, Role::Watchtower];
    let mut before = BTreeMap::new();
    for role in honest {
        before.insert(role.name(), wealth(net, role.address()?).await?);
    }

    let disrupt = scenario.disrupt.as_deref();
    let censors = disrupt == Some(CENSOR);
    let leaves_out: &[&str] = if censors {
        &["--dangerous-censor"]
    } else {
        &[]
    };
    net.service(Role::Sequencer, leaves_out).await?;
    net.service(Role::Watchtower, &["--keeper"]).await?;
    if lies {
        let mut flags = vec![
            "--dangerous-cheat",
            scenario.cheat.as_deref().unwrap_or("token:0"),
        ];
        if let Some(flip) = &scenario.flip {
            flags.extend(["--dangerous-flip", flip]);
        }
        net.service(Role::Liar, &flags).await?;
    } else {
        net.service(Role::Executor, &[]).await?;
    }
    if scenario.lying_challenger {
        net.service(Role::LyingChallenger, &["--dangerous-lying-challenger"])
            .await?;
    }
    let start_up_s = started.elapsed().as_secs_f64();

    let role = if lies { Role::Liar } else { Role::Executor };
    let disruption = disrupt.map(|who| Disruption::prepare(net, who, role));
    let disruption = disruption.transpose()?;
    let id = match &scenario.prompt {
        Some(prompt) => ask_inbox(net, prompt, scenario.max_tokens.unwrap_or(JUDGE_TOKENS)).await?,
        None => ask_judge(net, REVIEW).await?,
    };
    // Long questions to large models take a while.
    let mut patience = Duration::from_secs(if scenario.prompt.is_some() { 600 } else { 60 });
    if let Some(disruption) = disruption {
        disruption.strike(net, id).await?;
    }
    story
        .until(net, &mut events, patience, "answer", |e| {
            claimed(e, id, None)
        })
        .await?;
    let warm_start_s = started.elapsed().as_secs_f64();
    let clock = Duration::from_secs(2 * net.settings.allowance + 120);
    if lies {
        // The liar has the request; now the honest executor joins and answers once the lie is rejected.
        net.service(Role::Executor, &[]).await?;
    }
    if censors {
        net.kill_service(Role::Sequencer).await;
        say("the sequencer is killed for good");
        // A lie that is rejected gives it this long once more, dead or not.
        let inbox = Inbox::new(net.deployment.contracts.inbox, &net.user);
        patience += Duration::from_secs(inbox.reopenPeriod().call().await?);
    }
    if disrupt == Some("watchtower") {
        story
            .until(net, &mut events, clock, "third move", |e| moves(e) >= 3)
            .await?;
        net.kill_service(Role::Watchtower).await;
        say("the watchtower is killed in the middle of its game");
        net.start_again(Role::Watchtower).await?;
    }
    if lies || scenario.lying_challenger {
        story
            .until(net, &mut events, clock, "end of the game", game_over)
            .await?;
    }
    let (window, rest) = window(net);
    if censors || scenario.skip_window {
        let executor = Role::Executor.address()?;
        let answered = |e: &[Event]| claimed(e, id, Some(executor));
        story
            .until(net, &mut events, patience, "true answer", answered)
            .await?;
    }
    if scenario.skip_window {
        skip_window(net, patience).await?;
    }
    let asked_directly = scenario.prompt.is_some();
    let done = |e: &[Event]| is_final(e, id) && (asked_directly || settled(e, id));
    story.until(net, &mut events, rest, &window, done).await?;
    // The services book their last receipts a moment after the chain has them.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let mut failures = Vec::new();
    for role in honest {
        let after = wealth(net, role.address()?).await? + U256::from(UPKEEP);
        if after < before[role.name()] {
            failures.push(format!("{} has lost money", role.name()));
        }
    }
    // What it has earned stays there until it is withdrawn, which no service does.
    let inbox = Inbox::new(net.deployment.contracts.inbox, &net.user);
    if inbox
        .credit(Role::Executor.address()?)
        .call()
        .await?
        .is_zero()
    {
        failures.push("the executor was not paid".to_owned());
    }
    let requests = vec![request_report(net, &story, id).await];
    let truth = requests[0].output_text.trim();
    let judged = asked_directly || ["positive", "negative"].contains(&truth);
    if requests[0].status != "final" || !judged {
        failures.push(format!(
            "request {} ended as {} with {truth:?}",
            short(&id),
            requests[0].status
        ));
    }
    let disputes = disputes(net, &events, &story).await?;
    let right = if lies { "challenger" } else { "executor" };
    if disputes.iter().any(|d| d.winner != right)
        || (disputes.is_empty() && (lies || scenario.lying_challenger))
    {
        failures.push(format!("the {right} should have won every game"));
    }
    Ok(Report {
        version: 1,
        scenario,
        warm_start_s,
        start_up_s,
        requests,
        disputes,
        peak_memory_mib: net.peaks(),
        honest_side_whole: failures.is_empty(),
        failures,
    })
}

/// Lets the chain's clock jump over the challenge window, once the watchtower has found a claim right: no window is short for it.
async fn skip_window(net: &Network, patience: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    while net
        .metric(Role::Watchtower, "assay_watchtower_claims_right_total")
        .await
        < 1.0
    {
        if started.elapsed() > patience {
            bail!("the watchtower has found no claim right");
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    net.user
        .raw_request::<_, Value>("evm_increaseTime".into(), (net.settings.window,))
        .await?;
    Ok(())
}

async fn request_report(net: &Network, story: &Story, id: B256) -> RequestReport {
    let claims = || {
        story.events().iter().filter_map(|e| match &e.what {
            What::Claim {
                id: i,
                executor,
                output,
            } if *i == id => Some((*executor, output.clone())),
            _ => None,
        })
    };
    let (executor, output) = claims().next_back().unwrap_or_default();
    let role = if Role::Liar.address().is_ok_and(|a| a == executor) {
        Role::Liar
    } else {
        Role::Executor
    };
    let answer = &net.status(role).await["answers"][id.to_string()];
    let count = |key: &str| answer[key].as_u64().unwrap_or(0);
    let is_final = is_final(story.events(), id);
    let text = match Output::decode(&output) {
        Some(Output::Answer { text, .. }) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    };
    let prompt = story.events().iter().find_map(|e| match &e.what {
        What::Requested { id: i, prompt } if *i == id => Some(prompt.clone()),
        _ => None,
    });
    let callback = story.events().iter().rev().find_map(|e| match &e.what {
        What::Delivered {
            id: i,
            mode: 0,
            success,
        } if *i == id => Some(if *success { "done" } else { "failed" }),
        _ => None,
    });
    RequestReport {
        id: id.to_string(),
        prompt: prompt.unwrap_or_default(),
        output_text: text,
        tokens_drafted: count("drafted"),
        tokens_accepted: count("accepted"),
        tokens_corrected: count("corrected"),
        status: if is_final { "final" } else { "claimed" }.to_owned(),
        claims: claims().count() as u32,
        callback_result: callback.unwrap_or("none").to_owned(),
    }
}

/// A report for each game.
pub async fn disputes(
    net: &Network,
    events: &Events,
    story: &Story,
) -> anyhow::Result<Vec<DisputeReport>> {
    let mut records = Vec::new();
    for role in [
        Role::Watchtower,
        Role::LyingChallenger,
        Role::Executor,
        Role::Liar,
    ] {
        records.push(net.status(role).await["games"].clone());
    }
    let mut out = Vec::new();
    for event in story.events() {
        if let What::Opened {
            game,
            id,
            challenger,
        } = &event.what
        {
            out.push(dispute(events, story, &records, *game, *id, *challenger));
        }
    }
    Ok(out)
}

fn dispute(
    events: &Events,
    story: &Story,
    records: &[Value],
    game: B256,
    id: B256,
    challenger: Address,
) -> DisputeReport {
    let mut report = DisputeReport {
        game: game.to_string(),
        request: id.to_string(),
        winner: "none".to_owned(),
        by: "none".to_owned(),
        moves_challenger: 0,
        moves_executor: 0,
        transactions: Vec::new(),
        gas_total: 0,
        calldata_bytes: 0,
        trace_index: None,
        opcode: None,
        witness_bytes: None,
        proof_gas: None,
        wall_s: 0.0,
        compute_challenger_s: 0.0,
        compute_executor_s: 0.0,
        bonds: BTreeMap::new(),
    };
    let mut opened = 0;
    for event in story.events() {
        let kind = match &event.what {
            What::Opened { game: g, .. } if *g == game => {
                opened = event.time;
                "open"
            }
            What::Moved { game: g, mover, .. } if *g == game => {
                if *mover == challenger {
                    report.moves_challenger += 1
                } else {
                    report.moves_executor += 1
                }
                "move"
            }
            What::Proven { game: g, index } if *g == game => {
                report.trace_index = Some(*index);
                report.proof_gas = Some(events.cost(&event.tx).0);
                continue;
            }
            What::Won {
                game: g,
                winner,
                by_proof,
                ..
            } if *g == game => {
                report.winner = if *winner == challenger {
                    "challenger"
                } else {
                    "executor"
                }
                .to_owned();
                report.by = if *by_proof { "proof" } else { "timeout" }.to_owned();
                report.wall_s = event.time.saturating_sub(opened) as f64;
                if *by_proof { "prove" } else { "timeout" }
            }
            What::ClaimLost {
                game: g,
                burned,
                pool,
                to_winner,
                ..
            } if *g == game => {
                for (name, wei) in [
                    ("burned", burned),
                    ("gas_pool", pool),
                    ("to_winner", to_winner),
                ] {
                    report.bonds.insert(name.to_owned(), wei.to_string());
                }
                continue;
            }
            What::Forfeited {
                game: g,
                burned,
                to_executor,
            } if *g == game => {
                report
                    .bonds
                    .insert("challenger_burned".to_owned(), burned.to_string());
                report
                    .bonds
                    .insert("to_executor".to_owned(), to_executor.to_string());
                continue;
            }
            _ => continue,
        };
        let (gas, bytes) = events.cost(&event.tx);
        report.gas_total += gas;
        report.calldata_bytes += bytes as u64;
        report.transactions.push(TransactionReport {
            kind: kind.to_owned(),
            hash: event.tx.to_string(),
            gas,
            calldata_bytes: bytes as u64,
        });
    }
    for record in records
        .iter()
        .map(|r| &r[game.to_string()])
        .filter(|r| r.is_object())
    {
        let seconds: f64 = record["sent"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|s| s["compute_seconds"].as_f64())
            .sum();
        if record["side"] == "challenger" {
            report.compute_challenger_s += seconds
        } else {
            report.compute_executor_s += seconds
        }
        if record["proven"].is_object() {
            report.witness_bytes = record["proven"]["witness_bytes"].as_u64();
            let number = record["proven"]["opcode"]
                .as_u64()
                .and_then(|n| u16::try_from(n).ok());
            let op = number.and_then(|n| Op::from_number(n & !assay_machine::isa::IMM_FORM));
            report.opcode = op.map(|op| op.mnemonic().to_owned());
        }
    }
    report
}
