// The binary forms of these nouns are compiled once, here; their headers name them.

#include "model/connect.h"
#include "model/constraint.h"
#include "model/job.h"
#include "model/job_records.h"
#include "model/resources.h"
#include "model/service.h"
#include "model/task.h"
#include "model/task_blocks.h"
#include "model/volume_request.h"

namespace nl::codec {

template const StructType& struct_type<model::ConsulMeshGateway>();
template const StructType& struct_type<model::ConsulUpstream>();
template const StructType& struct_type<model::ConsulExposePath>();
template const StructType& struct_type<model::ConsulExposeConfig>();
template const StructType& struct_type<model::ConsulTransparentProxy>();
template const StructType& struct_type<model::ConsulProxy>();
template const StructType& struct_type<model::ConsulSidecarService>();
template const StructType& struct_type<model::SidecarTask>();
template const StructType& struct_type<model::ConsulGatewayBindAddress>();
template const StructType& struct_type<model::ConsulGatewayProxy>();
template const StructType& struct_type<model::ConsulGatewayTLSSDSConfig>();
template const StructType& struct_type<model::ConsulGatewayTLSConfig>();
template const StructType& struct_type<model::ConsulHTTPHeaderModifiers>();
template const StructType& struct_type<model::ConsulIngressService>();
template const StructType& struct_type<model::ConsulIngressListener>();
template const StructType& struct_type<model::ConsulIngressConfigEntry>();
template const StructType& struct_type<model::ConsulLinkedService>();
template const StructType& struct_type<model::ConsulTerminatingConfigEntry>();
template const StructType& struct_type<model::ConsulMeshConfigEntry>();
template const StructType& struct_type<model::ConsulGateway>();
template const StructType& struct_type<model::ConsulConnect>();
template const StructType& struct_type<model::Constraint>();
template const StructType& struct_type<model::Affinity>();
template const StructType& struct_type<model::SpreadTarget>();
template const StructType& struct_type<model::Spread>();
template const StructType& struct_type<model::UpdateStrategy>();
template const StructType& struct_type<model::MigrateStrategy>();
template const StructType& struct_type<model::DisconnectStrategy>();
template const StructType& struct_type<model::EphemeralDisk>();
template const StructType& struct_type<model::ReschedulePolicy>();
template const StructType& struct_type<model::TaskGroup>();
template const StructType& struct_type<model::MultiregionStrategy>();
template const StructType& struct_type<model::MultiregionRegion>();
template const StructType& struct_type<model::Multiregion>();
template const StructType& struct_type<model::PeriodicConfig>();
template const StructType& struct_type<model::ParameterizedJobConfig>();
template const StructType& struct_type<model::Retain>();
template const StructType& struct_type<model::JobUILink>();
template const StructType& struct_type<model::JobUIConfig>();
template const StructType& struct_type<model::JobVersionTag>();
template const StructType& struct_type<model::Job>();
template const StructType& struct_type<model::TaskGroupSummary>();
template const StructType& struct_type<model::JobChildrenSummary>();
template const StructType& struct_type<model::JobSummary>();
template const StructType& struct_type<model::ScalingEvent>();
template const StructType& struct_type<model::JobSubmission>();
template const StructType& struct_type<model::DNSConfig>();
template const StructType& struct_type<model::Port>();
template const StructType& struct_type<model::CNIConfig>();
template const StructType& struct_type<model::NetworkResource>();
template const StructType& struct_type<model::RequestedDevice>();
template const StructType& struct_type<model::NUMA>();
template const StructType& struct_type<model::Resources>();
template const StructType& struct_type<model::CheckRestart>();
template const StructType& struct_type<model::ServiceCheck>();
template const StructType& struct_type<model::ServiceWeights>();
template const StructType& struct_type<model::Service>();
template const StructType& struct_type<model::Vault>();
template const StructType& struct_type<model::Secret>();
template const StructType& struct_type<model::ChangeScript>();
template const StructType& struct_type<model::WaitConfig>();
template const StructType& struct_type<model::Template>();
template const StructType& struct_type<model::DispatchPayloadConfig>();
template const StructType& struct_type<model::TaskLifecycleConfig>();
template const StructType& struct_type<model::TaskArtifact>();
template const StructType& struct_type<model::ScalingPolicy>();
template const StructType& struct_type<model::TaskCSIPluginConfig>();
template const StructType& struct_type<model::Action>();
template const StructType& struct_type<model::TaskScheduleCron>();
template const StructType& struct_type<model::TaskSchedule>();
template const StructType& struct_type<model::Task>();
template const StructType& struct_type<model::RestartPolicy>();
template const StructType& struct_type<model::LogConfig>();
template const StructType& struct_type<model::Consul>();
template const StructType& struct_type<model::WorkloadIdentity>();
template const StructType& struct_type<model::VolumeMount>();
template const StructType& struct_type<model::CSIMountOptions>();
template const StructType& struct_type<model::VolumeRequest>();

}  // namespace nl::codec
