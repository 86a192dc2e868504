// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "../base/TestBase.sol";
import {IInferenceConsumer} from "../../src/interfaces/IInferenceConsumer.sol";
import {Request, RequestParams} from "../../src/interfaces/Types.sol";
import {GameFixture} from "../base/GameFixture.sol";
import {GasSplit} from "./GasSplit.sol";

/// @notice What one transaction is charged for.
/// @param execution gas of the call, less what is refunded
/// @param zeros zero bytes of calldata
/// @param others its other bytes
/// @param slots what storage costs of the execution, where it is recorded
/// @param events what logs cost of the execution, where they are recorded
struct Cost {
    uint256 execution;
    uint256 zeros;
    uint256 others;
    uint256 slots;
    uint256 events;
}

/// @notice Does nothing with what it is told: what is left is the rollup's own.
contract Listener is IInferenceConsumer {
    uint256 public heard;

    function onInferenceResult(bytes32, bytes calldata, bytes calldata, bool) external {}
    function onInferenceFinal(bytes32) external {}
    function onInferenceOverturned(bytes32) external {}
}

/// @notice Sends each call as a transaction of its own and writes down what it is charged for (`snapshots/gas_*.json`);
///         `scripts/gas.mjs` makes docs/gas.md of it.
abstract contract GasMeter is GameFixture {
    uint256 internal constant TX_GAS = 21_000;
    /// @dev Tokens of the answer, bytes of each token's text and of the prompt.
    uint256 internal constant ANSWER_TOKENS = 64;
    uint256 internal constant TOKEN_BYTES = 4;
    uint256 internal constant PROMPT_BYTES = 256;

    Listener internal consumer;
    /// @dev Whether storage and events are measured instead. Recording touches each slot first and can't be ended, so that
    ///      what such a test executes costs less than it should.
    bool internal splits;

    // ---- what is asked and answered ---------------------------------------------------------------------------------

    /// @dev A rollup with room and stake for `claims` claims, something burned before, as on any chain, and a dApp.
    function _rollup(uint8 arityLog2, bool executorLies, uint256 claims) internal {
        workPerWindow = WORK_PER_WINDOW * (claims + 1);
        payload = _payload();
        output = this.answer(0);
        userData = abi.encode(keccak256("order 7"));
        _games(arityLog2, 50, executorLies, 0xdead_beef_cafe);
        vm.deal(address(0), 1);
        vm.deal(address(this), CLAIM_BOND * claims);
        staking.deposit{value: CLAIM_BOND * claims}(executor);
        consumer = new Listener();
        vm.deal(address(consumer), 2 ether * claims);
    }

    /// @dev Greedy, one user part of PROMPT_BYTES bytes.
    function _payload() private pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(hex"0100", _le32(ANSWER_TOKENS), uint32(0), hex"000100", uint8(0));
        return abi.encodePacked(head, _le32(PROMPT_BYTES), _text("prompt", PROMPT_BYTES));
    }

    /// @dev ANSWER_TOKENS ids below 2^15 and their text. External, as `dappAsks`: a thousand would fill the test's memory.
    function answer(uint256 number) external pure returns (bytes memory out) {
        out = abi.encodePacked(uint8(0), _le32(ANSWER_TOKENS));
        for (uint256 i = 0; i < ANSWER_TOKENS; ++i) {
            out = abi.encodePacked(out, _le32(uint256(keccak256(abi.encode(number, i))) >> 241));
        }
        out = abi.encodePacked(out, _text(string(abi.encode(number)), ANSWER_TOKENS * TOKEN_BYTES));
    }

    /// @dev Letters: no byte of a text is zero.
    function _text(string memory what, uint256 length) private pure returns (bytes memory text) {
        text = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            text[i] = bytes1(uint8(97 + uint256(keccak256(abi.encode(what, i))) % 26));
        }
    }

    function _le32(uint256 x) internal pure returns (bytes4) {
        return bytes4(uint32((x & 0xff) << 24 | (x >> 8 & 0xff) << 16 | (x >> 16 & 0xff) << 8 | x >> 24));
    }

    function _dappParams() internal view returns (RequestParams memory p) {
        p = _params();
        (p.callback, p.callbackGas, p.callbackFee) = (address(consumer), 300_000, 0.01 ether);
        (p.minBond, p.refundTo) = (CLAIM_BOND, vm.addr(uint256(keccak256("refund"))));
    }

    function _dappRequest(RequestParams memory p) internal view returns (Request memory r) {
        r = _requestOf(p, address(consumer), 0, inbox.requestCount(), keccak256("entropy"));
        r.maxTokens = uint32(ANSWER_TOKENS);
    }

    /// @dev The dApp's request, made on chain.
    function dappAsks() external returns (Request memory r) {
        RequestParams memory p = _dappParams();
        r = _dappRequest(p);
        vm.prank(address(consumer));
        bytes32 id = inbox.request{value: uint256(p.fee) + p.callbackFee}(p, payload, userData);
        assertEq(id, _idOf(r), "request id");
    }

    // ---- the meter --------------------------------------------------------------------------------------------------

    /// @dev Sends `data` with all accounts and slots cold, as between transactions.
    function _send(address from, address to, uint256 value, bytes memory data) internal returns (Cost memory cost) {
        _cool();
        if (splits) GasSplit.start();
        vm.prank(from);
        (bool ok, bytes memory result) = to.call{value: value}(data);
        Vm.Gas memory gas = vm.lastCallGas();
        if (!ok) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
        if (splits) (cost.slots, cost.events) = GasSplit.stop();
        cost.zeros = _zeros(data);
        cost.others = data.length - cost.zeros;
        cost.execution = gas.gasTotalUsed;
        // EIP-3529: a fifth of the gas at most comes back.
        uint256 refund = uint256(int256(gas.gasRefunded));
        uint256 most = (TX_GAS + _standard(cost)) / 5;
        cost.execution -= refund < most ? refund : most;
    }

    function _cool() internal virtual override {
        super._cool();
        vm.cool(address(consumer));
    }

    /// @dev Calldata at 4 and 16 gas a byte, and execution.
    function _standard(Cost memory c) private pure returns (uint256) {
        return 4 * c.zeros + 16 * c.others + c.execution;
    }

    /// @dev Gas of the transaction: as above, or the floor of EIP-7623.
    function _today(Cost memory c) internal pure returns (uint256) {
        uint256 floor = 10 * c.zeros + 40 * c.others;
        uint256 standard = _standard(c);
        return TX_GAS + (standard > floor ? standard : floor);
    }

    function _zeros(bytes memory data) internal pure returns (uint256 zeros) {
        for (uint256 i = 0; i < data.length; ++i) {
            if (data[i] == 0) ++zeros;
        }
    }

    function _record(string memory group, string memory name, Cost memory cost) internal {
        if (splits) {
            group = string.concat(group, "_split");
            vm.snapshotValue(group, string.concat(name, ": storage"), cost.slots);
            vm.snapshotValue(group, string.concat(name, ": events"), cost.events);
            return;
        }
        vm.snapshotValue(group, string.concat(name, ": execution"), cost.execution);
        vm.snapshotValue(group, string.concat(name, ": zero bytes"), cost.zeros);
        vm.snapshotValue(group, string.concat(name, ": other bytes"), cost.others);
    }
}
