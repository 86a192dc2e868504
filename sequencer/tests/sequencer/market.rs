//! Orders of the real hub: the cheapest executor answers, the next one if it is gone, and each is paid its ask.

use crate::support::{ETHER, FEE, FIRST, KEYS, Peer, SECOND, USER, World, signer};
use alloy::primitives::aliases::{U40, U96};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolCall;
use assay_bindings::abi::inbox::Inbox;
use assay_bindings::abi::inference_hub::InferenceHub::{self, InferenceHubInstance};
use assay_bindings::abi::inference_market::InferenceMarket;
use assay_bindings::abi::{ClaimRef, Order, SignedAsk, Terms};
use assay_bindings::ask::Prices;
use assay_bindings::{Request, RequestParams, sign};
use assay_node::key::Key;
use assay_node::revert::ErrorBook;
use assay_node::tx::{Call, TxManager, TxPolicy};
use assay_proto::v1::sequencer_client::SequencerClient;
use assay_proto::v1::{self, SegmentStanding, from_executor};
use assay_sequencer::chain_view::state;
use assay_sequencer::wire;
use assay_types::request::Payload;
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// Wei for 1,000 bytes and for a token.
const CHEAP: Prices = Prices {
    prompt: 1_000_000,
    token: 2_000,
};
const DEAR: Prices = Prices {
    prompt: 5_000_000,
    token: 9_000,
};
/// The answers of [`Peer`]s have one token.
const TOKENS: u32 = 1;

/// What the hub said of a new order.
struct Asked {
    id: B256,
    order: Order,
    request: Request,
}

fn market(world: &World) -> assay_node::deployment::Market {
    world.contracts.market.clone().expect("deployed")
}

fn hub(world: &World) -> InferenceHubInstance<alloy::providers::DynProvider> {
    InferenceHubInstance::new(market(world).hub, world.chain.provider().clone())
}

fn account(world: &World, account: usize) -> TxManager {
    let key = Key::parse(KEYS[account], "the test").expect("a key");
    let policy = TxPolicy {
        poll: Duration::from_millis(20),
        ..TxPolicy::default()
    };
    TxManager::new(world.chain.clone(), key, ErrorBook::assay(), policy)
}

async fn pass(world: &World, seconds: u64) {
    let seconds = serde_json::json!([seconds]);
    world.raw("evm_increaseTime", seconds).await;
    world.raw("evm_mine", serde_json::json!([])).await;
}

/// Posts an ask that holds once the notice is over.
async fn post(world: &World, who: usize, prices: Prices) {
    let terms = InferenceMarket::AskTerms {
        token: Address::ZERO,
        hardware: 0,
        capacity: 0,
        promptPrice: U96::from(prices.prompt),
        tokenPrice: U96::from(prices.token),
        validUntil: U40::MAX,
    };
    let call = InferenceMarket::postCall {
        modelId: world.model,
        terms,
    };
    let call = Call::new("post", market(world).asks, call.abi_encode());
    account(world, who).send(call).await.expect("posted");
}

/// Both executors' asks, in force.
async fn with_asks() -> World {
    let world = World::new().await;
    post(&world, FIRST, DEAR).await;
    post(&world, SECOND, CHEAP).await;
    pass(&world, 10).await;
    world
}

async fn ask(world: &World, prompt: &str, cap: u128, asks: Vec<SignedAsk>) -> Asked {
    let params = world.params().await;
    ask_with(world, params, prompt, cap, asks).await
}

/// Asks by the hub with these parameters.
async fn ask_with(
    world: &World,
    params: RequestParams,
    prompt: &str,
    cap: u128,
    asks: Vec<SignedAsk>,
) -> Asked {
    let call = InferenceHub::requestCall {
        params: (&params).into(),
        payload: Payload::greedy(prompt, 8).encode().into(),
        userData: Bytes::new(),
        terms: Terms {
            token: Address::ZERO,
            priceCap: cap,
            publisher: Address::ZERO,
            refundTo: world.user.address(),
            asks,
        },
    };
    let call = Call::new("request", market(world).hub, call.abi_encode());
    let call = call.value(U256::from(FEE + cap));
    // Of its own nonce, which a reorganization takes back.
    let sent = account(world, USER).send(call).await;
    let receipt = sent.expect("asked");
    let requested = receipt.decoded_log::<Inbox::Requested>();
    let requested = requested.expect("an event").data;
    let ordered = receipt.decoded_log::<InferenceHub::Ordered>();
    let ordered = ordered.expect("an event").data;
    assert_eq!(ordered.id, requested.id);
    Asked {
        id: ordered.id,
        order: ordered.order,
        request: (&requested.request).into(),
    }
}

/// Has `peer` answer the request that it is given next, which is `asked`; returns the output.
async fn answer(world: &World, peer: &mut Peer, asked: &Asked) -> Vec<u8> {
    let (id, request) = peer.assignment().await;
    assert_eq!((id, &request), (asked.id, &asked.request));
    let segment = peer.segment(&[id], 600, world.now().await);
    let output = segment.results[0].output.clone();
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    world.until_state(id, state::CLAIMED).await;
    assert_eq!(peer.verdict().await.0, SegmentStanding::Posted);
    output
}

/// Makes the claim final and settles the order; returns what the executor was paid and what went back.
async fn settle(world: &World, asked: &Asked, segment: u64, output: Vec<u8>) -> (U256, U256) {
    pass(world, 40).await;
    let claim = ClaimRef {
        segmentId: segment,
        index: 0,
        outputHash: keccak256(&output),
        proof: Vec::new(),
    };
    let finalize = InferenceHub::finalizeCall {
        req: (&asked.request).into(),
        claim: (&claim).into(),
    };
    let to = market(world).hub;
    let call = Call::new("finalize", to, finalize.abi_encode());
    account(world, USER).send(call).await.expect("final");
    let settle = InferenceHub::settleCall {
        order: asked.order.clone(),
        req: (&asked.request).into(),
        claim: (&claim).into(),
        output: output.into(),
    };
    let call = Call::new("settle", to, settle.abi_encode());
    let receipt = account(world, USER).send(call).await.expect("settled");
    let settled = receipt.decoded_log::<InferenceHub::Settled>();
    let settled = settled.expect("an event").data;
    assert_eq!(settled.id, asked.id);
    (settled.paid, settled.refunded)
}

async fn credit(world: &World, who: Address) -> U256 {
    let credit = hub(world).credit(Address::ZERO, who).call().await;
    credit.expect("asked")
}

fn priced(prices: Prices, asked: &Asked) -> U256 {
    prices.cost(asked.request.payloadLength, TOKENS)
}

#[tokio::test(flavor = "multi_thread")]
async fn cheaper_executor_answers_then_the_dearer_one_once_it_is_gone_and_each_is_paid_its_ask() {
    let world = with_asks().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    // Were there no prices, the first would be asked first.
    let mut dear = Peer::connect(&world, &mut client, FIRST).await;
    let mut cheap = Peer::connect(&world, &mut client, SECOND).await;
    let cap = 1_000_000u128;

    let one = ask(&world, "Is it good?", cap, Vec::new()).await;
    let output = answer(&world, &mut cheap, &one).await;
    let (paid, rest) = settle(&world, &one, 0, output).await;
    assert_eq!(paid, priced(CHEAP, &one), "exactly the ask");
    assert_eq!(paid + rest, U256::from(cap));
    assert_eq!(credit(&world, cheap.address()).await, paid);

    // The cheap one has the next question when it is killed.
    let two = ask(&world, "Is it large?", cap, Vec::new()).await;
    assert_eq!(cheap.assignment().await.0, two.id);
    drop(cheap);
    let output = answer(&world, &mut dear, &two).await;
    let (paid, rest) = settle(&world, &two, 1, output).await;
    assert_eq!(paid, priced(DEAR, &two), "exactly the ask");
    assert_eq!(paid + rest, U256::from(cap));
    assert_eq!(credit(&world, dear.address()).await, paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_paid_more_than_the_cap_and_who_asks_nothing_comes_before_who_asks_more() {
    let world = World::new().await;
    post(&world, FIRST, DEAR).await;
    pass(&world, 10).await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut dear = Peer::connect(&world, &mut client, FIRST).await;
    let mut silent = Peer::connect(&world, &mut client, SECOND).await;
    let cap = 1_000;

    let one = ask(&world, "Is it good?", cap, Vec::new()).await;
    let output = answer(&world, &mut silent, &one).await;
    let (paid, rest) = settle(&world, &one, 0, output).await;
    assert_eq!((paid, rest), (U256::ZERO, U256::from(cap)));

    let two = ask(&world, "Is it large?", cap, Vec::new()).await;
    assert_eq!(silent.assignment().await.0, two.id);
    drop(silent);
    let output = answer(&world, &mut dear, &two).await;
    assert!(priced(DEAR, &two) > U256::from(cap));
    let (paid, rest) = settle(&world, &two, 1, output).await;
    assert_eq!((paid, rest), (U256::from(cap), U256::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn ask_that_is_posted_withdrawn_or_carried_while_they_are_connected_decides_the_next_request()
{
    let world = with_asks().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut dear = Peer::connect(&world, &mut client, FIRST).await;
    let mut cheap = Peer::connect(&world, &mut client, SECOND).await;
    let cap = 1_000_000;
    let one = ask(&world, "Is it good?", cap, Vec::new()).await;
    answer(&world, &mut cheap, &one).await;

    // A fall below the other one's price holds at once.
    let cheapest = Prices {
        prompt: 10,
        token: 1,
    };
    post(&world, FIRST, cheapest).await;
    let two = ask(&world, "Is it large?", cap, Vec::new()).await;
    answer(&world, &mut dear, &two).await;

    // An order that carries an offer of the other one.
    let mut offer = SignedAsk {
        executor: cheap.address(),
        modelId: world.model,
        tokenPrice: U96::ZERO,
        validUntil: U40::MAX,
        nonce: 5,
        ..Default::default()
    };
    let digest = sign::ask_digest(31_337, market(&world).asks, &offer);
    offer.signature = signature(SECOND, digest);
    let three = ask(&world, "Is it red?", cap, vec![offer]).await;
    let output = answer(&world, &mut cheap, &three).await;
    let (paid, _) = settle(&world, &three, 2, output).await;
    assert_eq!(paid, U256::ZERO, "the ask that it signed");

    let withdraw = InferenceMarket::withdrawCall {
        modelId: world.model,
    };
    let call = Call::new("withdraw", market(&world).asks, withdraw.abi_encode());
    let sent = account(&world, FIRST).send(call).await;
    sent.expect("withdrawn");
    pass(&world, 2).await;
    let four = ask(&world, "Is it new?", cap, Vec::new()).await;
    answer(&world, &mut cheap, &four).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ask_and_order_of_a_lost_block_count_no_more() {
    let world = with_asks().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut dear = Peer::connect(&world, &mut client, FIRST).await;
    let mut cheap = Peer::connect(&world, &mut client, SECOND).await;
    let snapshot = world.raw("evm_snapshot", serde_json::json!([])).await;
    let cheapest = Prices {
        prompt: 10,
        token: 1,
    };
    post(&world, FIRST, cheapest).await;
    let lost = ask(&world, "Is it lost?", 1_000_000, Vec::new()).await;
    assert_eq!(dear.assignment().await.0, lost.id);
    world.raw("evm_revert", serde_json::json!([snapshot])).await;
    let start = Instant::now();
    while !world.log().contains("the chain was reorganized") {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", world.log());
        // Again and again: what is mined beside a revert may be lost with it.
        world.raw("anvil_mine", serde_json::json!(["0x4"])).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let asked = ask(&world, "Is it good?", 1_000_000, Vec::new()).await;
    let output = answer(&world, &mut cheap, &asked).await;
    let (paid, _) = settle(&world, &asked, 0, output).await;
    assert_eq!(paid, priced(CHEAP, &asked));
}

fn signature(who: usize, digest: B256) -> Bytes {
    use alloy::signers::SignerSync;
    let signature = signer(who).sign_hash_sync(&digest).expect("signs");
    signature.as_bytes().to_vec().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn free_bond_comes_before_the_price_and_a_restart_forgets_no_order() {
    let world = with_asks().await;
    let (sequencer, mut client) = world.sequencer(&[]).await;
    let mut cheap = Peer::connect(&world, &mut client, SECOND).await;
    // Of its five ether of stake one is left.
    let locked = ask_with_bond(&world, "Is it good?", 4 * ETHER).await;
    answer(&world, &mut cheap, &locked).await;
    drop(cheap);
    let one = ask_with_bond(&world, "Is it large?", 2 * ETHER).await;
    // It is in the store before the sequencer ends.
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop((sequencer, client));
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut cheap = Peer::connect(&world, &mut client, SECOND).await;
    // The first one is spent.
    cheap.next_number = 2;
    let mut dear = Peer::connect(&world, &mut client, FIRST).await;
    // Two are needed.
    answer(&world, &mut dear, &one).await;
    let two = ask(&world, "Is it red?", 1_000_000, Vec::new()).await;
    answer(&world, &mut cheap, &two).await;
}

/// Asks with a cap that pays both, and this bond.
async fn ask_with_bond(world: &World, prompt: &str, bond: u128) -> Asked {
    let mut params = world.params().await;
    params.minBond = bond;
    ask_with(world, params, prompt, 1_000_000, Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_that_executors_sign_are_quoted_and_carried() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let first = Peer::connect(&world, &mut client, FIRST).await;
    let mut second = Peer::connect(&world, &mut client, SECOND).await;
    let until = world.now().await + 3_600;
    let ask_of = |who: usize, token_price: u64| {
        let ask = SignedAsk {
            executor: signer(who).address(),
            modelId: world.model,
            hardware: 2,
            capacity: 60,
            tokenPrice: U96::from(token_price),
            validUntil: U40::from(until),
            nonce: 7,
            ..Default::default()
        };
        let digest = sign::ask_digest(31_337, market(&world).asks, &ask);
        SignedAsk {
            signature: signature(who, digest),
            ..ask
        }
    };
    let leave = |asks: &[SignedAsk]| {
        let asks = asks.iter().map(wire::signed_ask_message).collect();
        from_executor::Message::SignedAsks(v1::SignedAsks { asks })
    };
    // One that is not signed so is not kept, and takes its neighbours along.
    let forged = SignedAsk {
        tokenPrice: U96::ZERO,
        ..ask_of(FIRST, 9)
    };
    first.say(leave(&[ask_of(FIRST, 1), forged])).await;
    first.say(leave(&[ask_of(FIRST, 9)])).await;
    second.say(leave(&[ask_of(SECOND, 4)])).await;
    let inquiry = v1::QuoteRequest {
        model_id: world.model.to_vec(),
        payload_length: 100,
        max_tokens: 8,
        ..Default::default()
    };
    let quoted = until_quoted(&mut client, &inquiry, 2).await;
    let prices: Vec<&str> = quoted.iter().map(|q| q.price.as_str()).collect();
    assert_eq!(prices, ["32", "72"], "{}", world.log());
    assert!(world.log().contains("its signed asks are not taken"));
    let asks = quoted.iter().map(|q| q.ask.as_ref().expect("set"));
    let asks: Vec<SignedAsk> = asks
        .map(|ask| wire::signed_ask(ask).expect("its own words"))
        .collect();
    assert_eq!(asks[0], ask_of(SECOND, 4));

    // Neither has posted anything on chain.
    let asked = ask(&world, "Is it good?", 1_000, asks).await;
    let output = answer(&world, &mut second, &asked).await;
    let (paid, rest) = settle(&world, &asked, 0, output).await;
    assert_eq!((paid, rest), (U256::from(4), U256::from(996)));

    let cancel = InferenceMarket::cancelCall {
        word: U256::ZERO,
        bits: U256::from(1 << 7),
    };
    let call = Call::new("cancel", market(&world).asks, cancel.abi_encode());
    let sent = account(&world, SECOND).send(call).await;
    sent.expect("cancelled");
    let quoted = until_quoted(&mut client, &inquiry, 1).await;
    assert_eq!(quoted[0].price, "72");
}

/// Waits until so many asks are quoted.
async fn until_quoted(
    client: &mut SequencerClient<Channel>,
    inquiry: &v1::QuoteRequest,
    count: usize,
) -> Vec<v1::QuotedAsk> {
    let start = Instant::now();
    loop {
        let quoted = client.quote(inquiry.clone()).await.expect("quoted");
        let asks = quoted.into_inner().asks;
        if asks.len() == count {
            return asks;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{asks:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
