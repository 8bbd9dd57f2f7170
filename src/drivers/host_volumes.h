#pragma once
// Dynamic host volumes of this node: made and removed by the built-in plugin "mkdir" or by a
// program in the plugin directory (its protocol is Nomad's: an operation as argument and DHV_
// variables, a JSON object as answer), kept in the local state so that a restart offers them again.
// A plugin is named, never a path. One thread carries out what is asked, in order. Source: Nomad,
// "host volume plugins".

#include "base/error.h"
#include "base/value.h"
#include "env/blob_store.h"
#include "io/loop.h"
#include "model/host_volume.h"
#include "model/node.h"
#include "server/node_more.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace nl::drivers {

class HostVolumes {
public:
    struct Options {
        /// Where mkdir makes them: <data_dir>/host_volumes.
        std::string volumes_dir;
        std::string plugin_dir;
        Uuid node_id;
        std::string node_pool;
        /// Those of the configuration.
        Map<model::ClientHostVolumeConfig> fixed;
        Duration plugin_timeout{seconds(60)};
        /// What the node offers now; any thread.
        std::function<void(Map<model::ClientHostVolumeConfig>)> on_change;
    };
    using OnDone = std::function<void(Result<server::VolumeAnswer>)>;

    /// `records` of the local state are read for volumes; `store` outlives this.
    HostVolumes(Options options, env::BlobStore& store, const env::BlobsLoaded& records);
    ~HostVolumes();

    void create(model::HostVolume volume, OnDone done);
    /// Of a directory that is there already.
    void register_one(model::HostVolume volume, OnDone done);
    void remove(model::HostVolume volume, OnDone done);
    /// "plugins.host_volume.<name>.version" of each plugin that answers.
    StringMap attributes() const;
    Map<model::ClientHostVolumeConfig> offered() const;

private:
    Result<server::VolumeAnswer> run_create(const model::HostVolume& volume);
    Result<void> run_remove(const model::HostVolume& volume);
    Result<void> keep(const model::HostVolume& volume);

    Options options_;
    env::BlobStore& store_;
    mutable std::mutex mutex_;
    std::map<std::string, model::HostVolume> volumes_;
    io::EventLoop loop_;
};

}  // namespace nl::drivers
