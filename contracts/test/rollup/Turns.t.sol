// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Request, RequestState, Segment, SignedRequest} from "../../src/interfaces/Types.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {WorkLaw} from "../../src/rollup/WorkMeter.sol";
import {Fixture} from "../base/Fixture.sol";

/// @notice Sequencers take turns, and what a deployment refuses of its list and its wiring.
contract TurnsTest is Fixture {
    address private constant SECOND = address(0x5E1);
    address private constant THIRD = address(0x5E2);

    function setUp() public override {
        sequencers = [SEQUENCER, SECOND, THIRD];
        super.setUp();
        // A time at which the first one's turn begins.
        vm.warp((START / 180 + 1) * 180);
    }

    function _postAs(address who, Segment memory segment) private {
        Segment[] memory batch = new Segment[](1);
        batch[0] = segment;
        vm.prank(who);
        rollup.postBatch(batch, new SignedRequest[](0));
    }

    function _refusedAs(address who, address whose) private {
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotSequencer.selector, who, whose));
        rollup.postBatch(new Segment[](0), new SignedRequest[](0));
    }

    function test_sequencerAt_followsTheList_succeeds() public view {
        uint256 start = block.timestamp;
        address[3] memory list = [SEQUENCER, SECOND, THIRD];
        for (uint256 i = 0; i < 9; ++i) {
            assertEq(rollup.sequencerAt(start + 60 * i), list[i % 3], "first second");
            assertEq(rollup.sequencerAt(start + 60 * i + 59), list[i % 3], "last second");
        }
        assertEq(rollup.sequencers().length, 3, "list");
        assertEq(rollup.sequencers()[2], THIRD, "in its order");
        assertEq(rollup.turnLength(), 60, "turn");
    }

    /// @dev [S] Nobody posts but the one whose turn it is, from its first second to its last.
    function test_postBatch_outsideItsTurn_reverts() public {
        uint256 start = block.timestamp;
        address[3] memory list = [SEQUENCER, SECOND, THIRD];
        for (uint256 i = 0; i < 6; ++i) {
            for (uint256 second = 0; second < 60; second += 59) {
                vm.warp(start + 60 * i + second);
                address whose = list[i % 3];
                for (uint256 j = 0; j < 3; ++j) {
                    if (list[j] != whose) _refusedAs(list[j], whose);
                }
                _refusedAs(ANYONE, whose);
                Request memory r = _ask();
                _postAs(whose, _segment(EXECUTOR_KEY, uint64(2 * i + second / 59), _results(r)));
                _assertState(r, RequestState.Claimed, "in its turn");
            }
        }
    }

    /// @dev [S] A dead sequencer delays its own turn: the next one answers, and past the deadline anybody does.
    function test_postBatch_deadSequencer_nextOneAnswers_succeeds() public {
        Request memory r = _ask();
        Request memory left = _ask();
        Segment memory segment = _segment(EXECUTOR_KEY, 1, _results(r));
        _refusedAs(SECOND, SEQUENCER);
        vm.warp(block.timestamp + 60);
        _postAs(SECOND, segment);
        _assertState(r, RequestState.Claimed, "a turn later");
        vm.warp(uint256(left.params.inclusionDeadline) + 1);
        vm.prank(other);
        rollup.claimDirect(left, output);
        _assertState(left, RequestState.Claimed, "without any of them");
    }

    /// @dev One alone never waits.
    function testFuzz_sequencerAt_oneAlone_isAlwaysIt_succeeds(uint256 time, uint64 length) public {
        sequencers = [THIRD];
        turnLength = length == 0 ? 1 : length;
        this.deployAgain();
        assertEq(rollup.sequencerAt(time), THIRD, "its turn");
        assertEq(rollup.sequencers().length, 1, "list");
    }

    function testFuzz_sequencerAt_anyTimeAndNumber_isOfTheList_succeeds(uint256 time, uint8 count, uint64 length)
        public
    {
        delete sequencers;
        for (uint256 i = 0; i <= count % 16; ++i) {
            sequencers.push(address(uint160(0x1000 + i)));
        }
        turnLength = length == 0 ? 1 : length;
        this.deployAgain();
        uint256 index = time / turnLength % sequencers.length;
        assertEq(rollup.sequencerAt(time), sequencers[index], "its turn");
    }

    // ---- deployment -------------------------------------------------------------------------------------------------

    function _refusesDeployment() private {
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployAgain();
    }

    function test_deploy_badList_reverts() public {
        delete sequencers;
        _refusesDeployment();
        sequencers = [SEQUENCER, address(0)];
        _refusesDeployment();
        sequencers = [address(0)];
        _refusesDeployment();
        sequencers = [SEQUENCER, SECOND, SEQUENCER];
        _refusesDeployment();
        delete sequencers;
        for (uint256 i = 1; i <= 17; ++i) {
            sequencers.push(address(uint160(i)));
        }
        _refusesDeployment();
        sequencers.pop();
        turnLength = 0;
        _refusesDeployment();
        turnLength = 1;
        this.deployAgain();
        assertEq(rollup.sequencers().length, 16, "sixteen are not too many");
    }

    function deployBeside(WorkLaw memory law) public {
        new Rollup(inbox, staking, game, sequencers, turnLength, CLAIM_BOND, law);
    }

    /// @dev Lets the next contract that this one makes be the fixture's rollup.
    function _namesTheNext() private {
        bytes memory at_ = abi.encode(vm.computeCreateAddress(address(this), vm.getNonce(address(this))));
        vm.mockCall(address(inbox), abi.encodeCall(IInbox.rollup, ()), at_);
        vm.mockCall(address(staking), abi.encodeCall(IStaking.rollup, ()), at_);
        vm.mockCall(address(game), abi.encodeCall(IDisputeGame.rollup, ()), at_);
    }

    /// @dev What the law says must fit what the rollup keeps of it.
    function test_deploy_lawBeyondItsFields_reverts() public {
        _namesTheNext();
        WorkLaw memory law = _law();
        law.doublings += 256;
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployBeside(law);
        this.deployBeside(_law());
    }

    /// @dev `target` answers `call` with another address than the right one: no rollup is deployed.
    function _refusesWiring(address target, bytes memory call) private {
        (, bytes memory right) = target.staticcall(call);
        vm.mockCall(target, call, abi.encode(address(0xBAD)));
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployBeside(_law());
        vm.mockCall(target, call, right);
    }

    /// @dev [S] A game over another inbox, stake or registry, or without a prover, would decide claims that are not made here.
    function test_deploy_wiredToOthers_reverts() public {
        _namesTheNext();
        _refusesWiring(address(inbox), abi.encodeCall(IInbox.rollup, ()));
        _refusesWiring(address(inbox), abi.encodeCall(IInbox.registry, ()));
        _refusesWiring(address(staking), abi.encodeCall(IStaking.rollup, ()));
        _refusesWiring(address(staking), abi.encodeCall(IStaking.game, ()));
        _refusesWiring(address(game), abi.encodeCall(IDisputeGame.rollup, ()));
        _refusesWiring(address(game), abi.encodeCall(IDisputeGame.inbox, ()));
        _refusesWiring(address(game), abi.encodeCall(IDisputeGame.staking, ()));
        _refusesWiring(address(game), abi.encodeCall(IDisputeGame.registry, ()));
        _refusesWiring(address(game), abi.encodeCall(IDisputeGame.prover, ()));
        this.deployBeside(_law());
    }

    function test_views_nameTheParts_succeeds() public view {
        assertEq(game.inbox(), address(inbox), "inbox");
        assertEq(address(game.staking()), address(staking), "staking");
        assertEq(address(game.registry()), address(registry), "registry");
        assertEq(address(game.prover()), address(prover), "prover");
        assertEq(address(inbox.registry()), address(registry), "the inbox's registry");
    }
}
