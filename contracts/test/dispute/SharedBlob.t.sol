// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobMove, ClaimRef, Request} from "../../src/interfaces/Types.sol";
import {BlobDisputeGame} from "../../src/dispute/BlobDisputeGame.sol";
import {DisputeGame} from "../../src/dispute/DisputeGame.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {GameFixture} from "../base/GameFixture.sol";

interface BlobVm {
    function blobBaseFee(uint256 fee) external;
    function blobhashes(bytes32[] calldata hashes) external;
}

/// @notice A challenger that does as it is told.
contract Sham {
    receive() external payable {}

    function act(address at, uint256 value, bytes calldata data) external payable returns (bytes memory) {
        (bool ok, bytes memory result) = at.call{value: value}(data);
        if (!ok) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
        return result;
    }
}

/// @notice Has two shams act in one transaction.
contract Driver {
    function both(Sham a, Sham b, address at, bytes calldata x, bytes calldata y) external {
        a.act(at, 0, x);
        b.act(at, 0, y);
    }
}

/// @notice Challengers (contracts, called by one transaction) that all name its one blob are repaid it once.
contract SharedBlobTest is GameFixture {
    BlobVm private constant BLOB = BlobVm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant LOW_248 = (1 << 248) - 1;

    function setUp() public override {
        _games(5, 50, true, 0xdead_beef_cafe);
    }

    function _newGame(Rollup at_, uint8 arityLog2) internal override returns (DisputeGame) {
        BlobDisputeGame blobs =
            new BlobDisputeGame(at_, address(inbox), staking, registry, prover, arityLog2, ALLOWANCE, 10 gwei, 2 gwei);
        return DisputeGame(payable(blobs));
    }

    function _firstMove(Match memory m) private view returns (bytes memory) {
        BlobMove memory mv;
        mv.gameId = m.id;
        mv.claim = uint256(m.context.segmentId) << 16 | m.context.index;
        (mv.opponent, mv.history) = (_waiting(m), m.history);
        mv.piece.startRoot = mv.piece.left = bytes32(uint256(m.startRoot) & LOW_248);
        mv.piece.endRoot = mv.piece.right = bytes32(uint256(_haltedRoot()) & LOW_248);
        mv.end = bytes32(uint256(1));
        return abi.encodeCall(BlobDisputeGame.move, (mv));
    }

    function fee() external view returns (uint256) {
        return block.blobbasefee;
    }

    function test_move_twoGamesOneBlob_countsItOnce_succeeds() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        (Sham a, Sham b, Driver driver) = (new Sham(), new Sham(), new Driver());
        uint256 bond = game.challengerBond();
        bytes memory opening = abi.encodeCall(game.open, (r, c, payload, output));
        a.act{value: bond}(address(game), bond, opening);
        b.act{value: bond}(address(game), bond, opening);
        // The cheatcode takes the excess blob gas, whose price depends on the fork.
        for (uint256 excess = 1e6; this.fee() < 10 gwei; excess += 1e6) {
            BLOB.blobBaseFee(excess);
        }
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = bytes32(uint256(1) << 248 | 7);
        BLOB.blobhashes(hashes);
        uint256 key = uint256(c.segmentId) << 16 | c.index;
        uint256 before = game.claimGames(key).gas;
        bytes memory x = _firstMove(_matchOf(r, c, address(a)));
        bytes memory y = _firstMove(_matchOf(r, c, address(b)));
        driver.both(a, b, address(game), x, y);
        uint256 counted = (uint256(game.claimGames(key).gas) - before) * 1 gwei;
        uint256 blobFee = 131_072 * this.fee();
        // Both moves' gas at 2 gwei is well below 400,000 gas.
        assertTrue(counted < blobFee + 400_000 * 2 gwei, "one blob was paid for, and two are repaid");
    }
}
