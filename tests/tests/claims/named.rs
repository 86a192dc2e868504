//! What a transaction about one of the claims names, known before the claim is made, and the transactions that make one.

use crate::games_support::Court;
use crate::games_support::toy_run::Run;
use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use assay_bindings::abi::GameContext;
use assay_bindings::game::game_id;
use assay_bindings::{ClaimRef, DisputeGame, Rollup, Segment};
use assay_dispute::ledger::ClaimKey;
use assay_machine::image::Image;
use assay_machine::rom::Rom;
use assay_prover::evm::CHAIN_ID;
use assay_types::request::Payload;
use std::sync::Arc;

/// One claim, its two possible games, and the calls about it.
pub struct Named {
    /// The claim.
    pub key: ClaimKey,
    /// Whose it is.
    pub executor: Address,
    /// What the game of each challenger is about.
    pub contexts: [GameContext; 2],
    /// The games.
    pub ids: [B256; 2],
    /// Calldata that opens a game.
    pub opening: Bytes,
    /// Calldata that makes the claim final.
    pub finalize: Bytes,
    /// The honest run over what it says.
    pub run: Run,
}

impl Named {
    /// The claim `key`, which stands; `players` are its challengers.
    pub fn standing(
        court: &mut Court,
        key: ClaimKey,
        players: [Address; 2],
        program: (&Arc<Image>, &Rom),
    ) -> Named {
        let (ask, claim, shown) = court.shown(key);
        let finalize = Rollup::finalizeCall {
            req: ask.request.clone(),
            claim: shown,
        };
        let executor = claim.executor;
        let inputs = court.inputs(key);
        let run = run(program, &inputs.request, &inputs.output);
        let before = court.moment();
        let ids = players.map(|who| court.open(who, key));
        let contexts = ids.map(|id| court.play(id).context.clone());
        court.go_back(&before);
        Named {
            key,
            executor,
            contexts,
            ids,
            opening: court.opening(key).data,
            finalize: finalize.abi_encode().into(),
            run,
        }
    }

    /// The claim that `executor` makes of `output` in the segment after this one.
    // Computed, not read back: nothing but its segment, its executor and its output tells it from the first.
    pub fn next(
        &self,
        court: &Court,
        executor: Address,
        output: &[u8],
        program: (&Arc<Image>, &Rom),
    ) -> Named {
        let key = ClaimKey {
            segment: self.key.segment + 1,
            index: 0,
        };
        let (ask, _, first) = court.shown(self.key);
        let claim = ClaimRef {
            segmentId: key.segment,
            outputHash: keccak256(output),
            ..first
        };
        let opening = DisputeGame::openCall {
            req: (&ask.request).into(),
            claim: (&claim).into(),
            payload: ask.payload.clone(),
            output: output.to_vec().into(),
        };
        let finalize = Rollup::finalizeCall {
            req: ask.request.clone(),
            claim,
        };
        let output_root = B256::new(Rom::new(output).root().0);
        let contexts = self.contexts.each_ref().map(|c| GameContext {
            segmentId: key.segment,
            executor,
            outputRoot: output_root,
            ..c.clone()
        });
        let id = |context: &GameContext| game_id(CHAIN_ID, court.addresses.game, context);
        assert_eq!(self.contexts.each_ref().map(id), self.ids);
        let inputs = court.inputs(self.key);
        Named {
            key,
            executor,
            ids: contexts.each_ref().map(id),
            contexts,
            opening: opening.abi_encode().into(),
            finalize: finalize.abi_encode().into(),
            run: run(program, &inputs.request, output),
        }
    }
}

fn run((image, model): (&Arc<Image>, &Rom), request: &[u8], output: &[u8]) -> Run {
    let roms = [Rom::new(request), Rom::new(output), model.clone()];
    Run::new(image.clone(), roms)
}

/// What makes claims on one request.
pub struct Claiming {
    /// The executor of the second claim.
    pub executor: Address,
    /// Its output.
    pub output: Vec<u8>,
    /// Calldata that posts each of [`crate::rules::Signed`].
    pub batches: [Bytes; 3],
    /// Calldata of a direct claim.
    pub direct: Bytes,
}

impl Claiming {
    /// Makes the first claim on `id`, and signs the segments of a second one by another executor or not.
    pub fn begin(court: &mut Court, id: B256, by_another: bool) -> (ClaimKey, Claiming) {
        let first = vec![0; 5];
        let mine = court.executor.clone();
        let (mut signer, mut output) = (mine.clone(), first.clone());
        if by_another {
            signer = PrivateKeySigner::from_bytes(&keccak256("executor b")).expect("a scalar");
            court.stake(signer.address());
            // It has another claim too, which nothing here may touch.
            let other = court.ask(&Payload::greedy("?", 5).encode());
            let segment = court.segment_by(&signer, other, first.clone(), keccak256(&first));
            court.post(segment);
            // A text, which the program does not read.
            output.push(b'!');
        }
        let segments = [(&mine, &first), (&signer, &output), (&signer, &output)].map(
            |(signer, output): (&PrivateKeySigner, &Vec<u8>)| {
                court.segment_by(signer, id, output.clone(), keccak256(output))
            },
        );
        let batches = segments.each_ref().map(|segment: &Segment| {
            let call = Rollup::postBatchCall {
                batch: vec![segment.clone()],
                signed: vec![],
            };
            call.abi_encode().into()
        });
        let direct = Rollup::claimDirectCall {
            req: court.asked(id).request.clone(),
            output: output.clone().into(),
        };
        let [posted, _, _] = segments;
        let claiming = Claiming {
            executor: signer.address(),
            output,
            batches,
            direct: direct.abi_encode().into(),
        };
        (court.post(posted), claiming)
    }
}
