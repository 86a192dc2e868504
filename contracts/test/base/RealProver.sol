// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOneStepProver} from "../../src/machine/IOneStepProver.sol";
import {OneStepProver} from "../../src/machine/OneStepProver.sol";
import {StepControl} from "../../src/step/StepControl.sol";
import {StepFloat32} from "../../src/step/StepFloat32.sol";
import {StepFloat64} from "../../src/step/StepFloat64.sol";
import {StepInteger} from "../../src/step/StepInteger.sol";
import {StepLanes} from "../../src/step/StepLanes.sol";
import {StepMemory} from "../../src/step/StepMemory.sol";
import {StepTable} from "../../src/step/StepTable.sol";
import {StepVector} from "../../src/step/StepVector.sol";
import {StepVectorF32} from "../../src/step/StepVectorF32.sol";
import {StepVectorF64} from "../../src/step/StepVectorF64.sol";

/// @notice The prover as it is deployed: all families in their places.
library RealProver {
    function deploy() internal returns (OneStepProver) {
        IOneStepProver[10] memory families;
        families[0] = new StepControl();
        families[1] = new StepMemory();
        families[2] = new StepInteger();
        families[3] = new StepFloat32();
        families[4] = new StepFloat64();
        families[5] = new StepVector();
        families[6] = new StepLanes();
        families[7] = new StepVectorF32();
        families[8] = new StepVectorF64();
        families[9] = new StepTable();
        return new OneStepProver(families);
    }
}
