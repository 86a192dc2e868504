// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "../base/TestBase.sol";

/// @notice How much of a call's gas is storage and how much events, by the schedule of the EVM (EIP-2929, EIP-2200) and what
///         the call has touched, all of it cold before.
library GasSplit {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant COLD = 2100;
    uint256 private constant WARM = 100;
    uint256 private constant NEW_VALUE = 20_000;
    uint256 private constant CHANGED_VALUE = 2900;
    uint256 private constant LOG = 375;
    uint256 private constant LOG_BYTE = 8;

    struct Slot {
        address account;
        bytes32 slot;
        bytes32 original;
    }

    function start() internal {
        vm.recordLogs();
        vm.startStateDiffRecording();
    }

    function stop() internal returns (uint256 slots, uint256 events) {
        Vm.AccountAccess[] memory accesses = vm.stopAndReturnStateDiff();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            events += LOG * (1 + logs[i].topics.length) + LOG_BYTE * logs[i].data.length;
        }
        uint256 most = 0;
        for (uint256 i = 0; i < accesses.length; ++i) {
            most += accesses[i].storageAccesses.length;
        }
        Slot[] memory touched = new Slot[](most);
        uint256 count = 0;
        for (uint256 i = 0; i < accesses.length; ++i) {
            for (uint256 j = 0; j < accesses[i].storageAccesses.length; ++j) {
                Vm.StorageAccess memory a = accesses[i].storageAccesses[j];
                uint256 at_ = _find(touched, count, a);
                bool cold = at_ == count;
                if (cold) touched[count++] = Slot(a.account, a.slot, a.previousValue);
                slots += _gas(a, touched[at_].original, cold);
            }
        }
    }

    function _find(Slot[] memory touched, uint256 count, Vm.StorageAccess memory a) private pure returns (uint256 at_) {
        while (at_ < count && (touched[at_].account != a.account || touched[at_].slot != a.slot)) ++at_;
    }

    function _gas(Vm.StorageAccess memory a, bytes32 original, bool cold) private pure returns (uint256 gas) {
        if (!a.isWrite) return cold ? COLD : WARM;
        gas = cold ? COLD : 0;
        if (a.newValue == a.previousValue || a.previousValue != original) return gas + WARM;
        return gas + (original == 0 ? NEW_VALUE : CHANGED_VALUE);
    }
}
