#include "model/alloc_list_stub.h"
#include "model/alloc_metric.h"
#include "model/allocation.h"
#include "model/evaluation.h"
#include "model/task_state.h"
#include "wire/json_codec.h"

NL_WIRE_BOTH(nl::model::AllocatedCpuResources)
NL_WIRE_BOTH(nl::model::AllocatedMemoryResources)
NL_WIRE_BOTH(nl::model::AllocatedDeviceResource)
NL_WIRE_BOTH(nl::model::AllocatedTaskResources)
NL_WIRE_BOTH(nl::model::AllocatedPortMapping)
NL_WIRE_BOTH(nl::model::AllocatedSharedResources)
NL_WIRE_BOTH(nl::model::AllocatedResources)
NL_WIRE_BOTH(nl::model::DesiredTransition)
NL_WIRE_BOTH(nl::model::AllocState)
NL_WIRE_BOTH(nl::model::AllocDeploymentStatus)
NL_WIRE_BOTH(nl::model::RescheduleEvent)
NL_WIRE_BOTH(nl::model::RescheduleTracker)
NL_WIRE_BOTH(nl::model::AllocNetworkStatus)
NL_WIRE_BOTH(nl::model::Allocation)
NL_WIRE_BOTH(nl::model::AllocListStub)
NL_WIRE_BOTH(nl::model::NodeScoreMeta)
NL_WIRE_BOTH(nl::model::AllocMetric)
NL_WIRE_BOTH(nl::model::TaskEvent)
NL_WIRE_BOTH(nl::model::TaskState)
NL_WIRE_BOTH(nl::model::EvaluationStub)
NL_WIRE_BOTH(nl::model::Evaluation)
