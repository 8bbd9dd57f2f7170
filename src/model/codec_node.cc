// The binary forms of these nouns are compiled once, here; their headers name them.

#include "model/alloc_list_stub.h"
#include "model/alloc_metric.h"
#include "model/allocation.h"
#include "model/client_stats.h"
#include "model/csi.h"
#include "model/csi_info.h"
#include "model/host_volume.h"
#include "model/node.h"
#include "model/node_answers.h"
#include "model/node_pool.h"
#include "model/task_state.h"

namespace nl::codec {

template const StructType& struct_type<model::AllocListStub>();
template const StructType& struct_type<model::NodeScoreMeta>();
template const StructType& struct_type<model::AllocMetric>();
template const StructType& struct_type<model::AllocatedCpuResources>();
template const StructType& struct_type<model::AllocatedMemoryResources>();
template const StructType& struct_type<model::AllocatedDeviceResource>();
template const StructType& struct_type<model::AllocatedTaskResources>();
template const StructType& struct_type<model::AllocatedPortMapping>();
template const StructType& struct_type<model::AllocatedSharedResources>();
template const StructType& struct_type<model::AllocatedResources>();
template const StructType& struct_type<model::DesiredTransition>();
template const StructType& struct_type<model::AllocState>();
template const StructType& struct_type<model::AllocDeploymentStatus>();
template const StructType& struct_type<model::RescheduleEvent>();
template const StructType& struct_type<model::RescheduleTracker>();
template const StructType& struct_type<model::AllocNetworkStatus>();
template const StructType& struct_type<model::Allocation>();
template const StructType& struct_type<model::HostMemoryStats>();
template const StructType& struct_type<model::CPUStats>();
template const StructType& struct_type<model::DiskStats>();
template const StructType& struct_type<model::StatValue>();
template const StructType& struct_type<model::DeviceStats>();
template const StructType& struct_type<model::DeviceGroupStats>();
template const StructType& struct_type<model::HostStats>();
template const StructType& struct_type<model::MemoryStats>();
template const StructType& struct_type<model::AllocFileInfo>();
template const StructType& struct_type<model::CpuStats>();
template const StructType& struct_type<model::ResourceUsage>();
template const StructType& struct_type<model::TaskResourceUsage>();
template const StructType& struct_type<model::AllocResourceUsage>();
template const StructType& struct_type<model::CSITopologyRequest>();
template const StructType& struct_type<model::CSIVolumeCapability>();
template const StructType& struct_type<model::CSIVolume>();
template const StructType& struct_type<model::CSIVolListStub>();
template const StructType& struct_type<model::CSIVolumeExternalStub>();
template const StructType& struct_type<model::CSISnapshot>();
template const StructType& struct_type<model::CSIPlugin>();
template const StructType& struct_type<model::CSIPluginListStub>();
template const StructType& struct_type<model::CSIControllerInfo>();
template const StructType& struct_type<model::CSITopology>();
template const StructType& struct_type<model::CSINodeInfo>();
template const StructType& struct_type<model::CSIInfo>();
template const StructType& struct_type<model::HostVolumeCapability>();
template const StructType& struct_type<model::HostVolume>();
template const StructType& struct_type<model::HostVolumeStub>();
template const StructType& struct_type<model::TaskGroupHostVolumeClaim>();
template const StructType& struct_type<model::LegacyNodeCpuResources>();
template const StructType& struct_type<model::TopologyCore>();
template const StructType& struct_type<model::Topology>();
template const StructType& struct_type<model::NodeProcessorResources>();
template const StructType& struct_type<model::NodeMemoryResources>();
template const StructType& struct_type<model::NodeDiskResources>();
template const StructType& struct_type<model::NodeDeviceLocality>();
template const StructType& struct_type<model::NodeDevice>();
template const StructType& struct_type<model::Attribute>();
template const StructType& struct_type<model::NodeDeviceResource>();
template const StructType& struct_type<model::NodeNetworkAddress>();
template const StructType& struct_type<model::NodeNetworkResource>();
template const StructType& struct_type<model::NodeResources>();
template const StructType& struct_type<model::NodeReservedCpuResources>();
template const StructType& struct_type<model::NodeReservedMemoryResources>();
template const StructType& struct_type<model::NodeReservedDiskResources>();
template const StructType& struct_type<model::NodeReservedNetworkResources>();
template const StructType& struct_type<model::NodeReservedResources>();
template const StructType& struct_type<model::DrainStrategy>();
template const StructType& struct_type<model::NodeEvent>();
template const StructType& struct_type<model::DriverInfo>();
template const StructType& struct_type<model::ClientHostVolumeConfig>();
template const StructType& struct_type<model::ClientHostNetworkConfig>();
template const StructType& struct_type<model::DrainMetadata>();
template const StructType& struct_type<model::Node>();
template const StructType& struct_type<model::NodeListStub>();
template const StructType& struct_type<model::NodeServerInfo>();
template const StructType& struct_type<model::NodeUpdateResponse>();
template const StructType& struct_type<model::NodeDrainUpdateResponse>();
template const StructType& struct_type<model::NodeEligibilityUpdateResponse>();
template const StructType& struct_type<model::NodeMetaResponse>();
template const StructType& struct_type<model::NodePoolSchedulerConfiguration>();
template const StructType& struct_type<model::NodePool>();
template const StructType& struct_type<model::TaskEvent>();
template const StructType& struct_type<model::TaskState>();

}  // namespace nl::codec
