// Uses Nomad's own published Go client against the agent at NOMAD_ADDR, one section after another, and prints a line of JSON
// for each: {"section":"jobs","error":""}. The test reads the lines; nothing here knows what is on the other end.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/nomad/api/contexts"
)

const deadline = 60 * time.Second

var client *api.Client

func ptr[T any](v T) *T { return &v }

// must turns an error into the section's end.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(ok bool, format string, args ...any) {
	if !ok {
		panic(fmt.Errorf(format, args...))
	}
}

// waitFor asks again with the last index until done says so.
func waitFor(what string, look func(*api.QueryOptions) (bool, *api.QueryMeta, error)) {
	end := time.Now().Add(deadline)
	q := &api.QueryOptions{WaitTime: 2 * time.Second}
	for {
		done, meta, err := look(q)
		if err == nil && done {
			return
		}
		check(time.Now().Before(end), "waited in vain for %s (%v)", what, err)
		if err != nil {
			time.Sleep(50 * time.Millisecond)
		} else if meta != nil {
			q.WaitIndex = meta.LastIndex
		}
	}
}

func service(id, script string, count int) *api.Job {
	task := api.NewTask("main", "raw_exec").
		SetConfig("command", "/bin/sh").
		SetConfig("args", []string{"-c", script}).
		Require(&api.Resources{CPU: ptr(20), MemoryMB: ptr(16)})
	task.LogConfig = &api.LogConfig{MaxFiles: ptr(2), MaxFileSizeMB: ptr(1)}
	task.Actions = []*api.Action{{Name: "greet", Command: "/bin/sh", Args: []string{"-c", "echo greetings"}}}
	group := api.NewTaskGroup("grp", count).AddTask(task)
	group.EphemeralDisk = &api.EphemeralDisk{SizeMB: ptr(10)}
	job := api.NewServiceJob(id, id, "global", 50).AddDatacenter("*").AddTaskGroup(group)
	job.Update = &api.UpdateStrategy{
		MaxParallel: ptr(1), MinHealthyTime: ptr(200 * time.Millisecond), HealthyDeadline: ptr(20 * time.Second),
		ProgressDeadline: ptr(40 * time.Second), HealthCheck: ptr("task_states"),
	}
	return job
}

func running(job string, count int) []*api.AllocationListStub {
	var found []*api.AllocationListStub
	waitFor(fmt.Sprintf("%d running allocations of %s", count, job), func(q *api.QueryOptions) (bool, *api.QueryMeta, error) {
		stubs, meta, err := client.Jobs().Allocations(job, false, q)
		found = nil
		for _, s := range stubs {
			if s.ClientStatus == api.AllocClientStatusRunning && s.DesiredStatus == api.AllocDesiredStatusRun {
				found = append(found, s)
			}
		}
		return len(found) == count, meta, err
	})
	return found
}

func jobs() {
	job, err := client.Jobs().ParseHCL("job \"parsed\" {\n group \"g\" {\n task \"t\" {\n driver = \"raw_exec\"\n }\n }\n}\n", true)
	must(err)
	check(*job.ID == "parsed" && *job.Type == "service", "parsed job is %v %v", job.ID, job.Type)
	web := service("goweb", "echo out-line; echo err-line >&2; exec sleep 600", 2)
	valid, _, err := client.Jobs().Validate(web, nil)
	must(err)
	check(valid.Error == "", "validation said %q", valid.Error)
	answer, meta, err := client.Jobs().Register(web, nil)
	must(err)
	check(answer.EvalID != "" && meta.LastIndex > 0, "registration: %+v %+v", answer, meta)
	running("goweb", 2)
	info, qm, err := client.Jobs().Info("goweb", nil)
	must(err)
	check(*info.Version == 0 && qm.KnownLeader && qm.LastIndex > 0, "job info: %v %+v", *info.Version, qm)
	list, _, err := client.Jobs().PrefixList("gow")
	must(err)
	check(len(list) == 1 && list[0].JobSummary.Summary["grp"].Running == 2, "list: %+v", list)
	summary, _, err := client.Jobs().Summary("goweb", nil)
	must(err)
	check(summary.Summary["grp"].Running == 2, "summary: %+v", summary.Summary)
	waitFor("the first deployment", func(q *api.QueryOptions) (bool, *api.QueryMeta, error) {
		d, qm, err := client.Jobs().LatestDeployment("goweb", q)
		return d != nil && d.Status == "successful", qm, err
	})
	scaled, _, err := client.Jobs().Scale("goweb", "grp", ptr(3), "one more", false, nil, nil)
	must(err)
	check(scaled.EvalID != "", "scaling gave no evaluation")
	running("goweb", 3)
	status, _, err := client.Jobs().ScaleStatus("goweb", nil)
	must(err)
	check(status.TaskGroups["grp"].Desired == 3 && len(status.TaskGroups["grp"].Events) == 1, "scale status: %+v", status.TaskGroups["grp"])
	versions, _, _, err := client.Jobs().Versions("goweb", false, nil)
	must(err)
	check(len(versions) == 2, "%d versions", len(versions))
	_, err = client.Jobs().TagVersion("goweb", 0, "first", "as it began", nil)
	must(err)
	tagged, _, err := client.Jobs().VersionByTag("goweb", "first", nil)
	must(err)
	check(*tagged.Version == 0, "tag leads to version %d", *tagged.Version)
	reverted, _, err := client.Jobs().Revert("goweb", 0, nil, nil, "", "")
	must(err)
	check(reverted.EvalID != "", "revert gave no evaluation")
	running("goweb", 2)
	_, _, err = client.Jobs().EnforceRegister(web, 1, nil)
	check(err != nil && strings.Contains(err.Error(), "Enforcing job modify index"), "stale index: %v", err)
	_, _, err = client.Jobs().Info("no-such-job", nil)
	var unexpected api.UnexpectedResponseError
	check(errors.As(err, &unexpected) && unexpected.StatusCode() == 404, "missing job: %v", err)
	evals, _, err := client.Jobs().Evaluations("goweb", nil)
	must(err)
	check(len(evals) >= 3, "%d evaluations", len(evals))
	id, _, err := client.Jobs().EvaluateWithOpts("goweb", api.EvalOptions{ForceReschedule: true}, nil)
	must(err)
	check(id != "", "no evaluation was made")
	pages := 0
	seen := map[string]bool{}
	for q := (&api.QueryOptions{PerPage: 1}); ; {
		page, pm, err := client.Jobs().List(q)
		must(err)
		for _, j := range page {
			check(!seen[j.ID], "job %s came twice", j.ID)
			seen[j.ID] = true
		}
		pages++
		if pm.NextToken == "" {
			break
		}
		q.NextToken = pm.NextToken
	}
	check(seen["goweb"], "pages hold %v", seen)
	filtered, _, err := client.Jobs().List(&api.QueryOptions{Filter: `Type == "service" and ID == "goweb"`})
	must(err)
	check(len(filtered) == 1, "filter found %d", len(filtered))
}

func plan() {
	planned, _, err := client.Jobs().Plan(service("goplan", "true", 2), true, nil)
	must(err)
	check(planned.Annotations.DesiredTGUpdates["grp"].Place == 2, "plan places %+v", planned.Annotations.DesiredTGUpdates["grp"])
	check(planned.Diff != nil && planned.Diff.Type == "Added", "plan of a new job: %+v", planned.Diff)
	versions, diffs, _, err := client.Jobs().Versions("goweb", true, nil)
	must(err)
	check(len(versions) >= 2 && len(diffs) == len(versions)-1, "%d versions, %d diffs", len(versions), len(diffs))
}

func batch() {
	job := service("gopar", "cat local/in; echo $NOMAD_META_who", 1)
	job.Type = ptr("batch")
	job.Update = nil
	job.ParameterizedJob = &api.ParameterizedJobConfig{Payload: "required", MetaRequired: []string{"who"}}
	job.TaskGroups[0].Tasks[0].DispatchPayload = &api.DispatchPayloadConfig{File: "in"}
	_, _, err := client.Jobs().Register(job, nil)
	must(err)
	sent, _, err := client.Jobs().Dispatch("gopar", map[string]string{"who": "gopher"}, []byte("hello\n"), "", nil)
	must(err)
	check(strings.HasPrefix(sent.DispatchedJobID, "gopar/dispatch-"), "dispatched as %s", sent.DispatchedJobID)
	var alloc *api.AllocationListStub
	waitFor("the dispatched job", func(q *api.QueryOptions) (bool, *api.QueryMeta, error) {
		stubs, meta, err := client.Jobs().Allocations(sent.DispatchedJobID, false, q)
		if len(stubs) == 1 {
			alloc = stubs[0]
		}
		return alloc != nil && alloc.ClientStatus == "complete", meta, err
	})
	whole, _, err := client.Allocations().Info(alloc.ID, nil)
	must(err)
	check(readLogs(whole, "stdout", "hello\ngopher\n") == "hello\ngopher\n", "output differs")
	cron := service("gocron", "true", 1)
	cron.Type = ptr("batch")
	cron.Update = nil
	cron.Periodic = &api.PeriodicConfig{Enabled: ptr(true), SpecType: ptr("cron"), Spec: ptr("0 3 1 1 *")}
	_, _, err = client.Jobs().Register(cron, nil)
	must(err)
	forced, _, err := client.Jobs().PeriodicForce("gocron", nil)
	must(err)
	check(forced != "", "forcing gave no evaluation")
}

func readLogs(alloc *api.Allocation, kind, enough string) string {
	cancel := make(chan struct{})
	defer close(cancel)
	frames, errs := client.AllocFS().Logs(alloc, true, "main", kind, "start", 0, cancel, nil)
	var text strings.Builder
	timer := time.After(deadline)
	for text.Len() < len(enough) {
		select {
		case frame, ok := <-frames:
			if !ok {
				return text.String()
			}
			text.Write(frame.Data)
		case err := <-errs:
			must(err)
		case <-timer:
			panic(fmt.Errorf("log has only %q", text.String()))
		}
	}
	return text.String()
}

func firstAlloc() *api.Allocation {
	alloc, _, err := client.Allocations().Info(running("goweb", 2)[0].ID, nil)
	must(err)
	return alloc
}

func allocations() {
	alloc := firstAlloc()
	check(alloc.Job != nil && *alloc.Job.ID == "goweb" && alloc.Metrics != nil, "allocation lacks its job or metrics")
	check(alloc.Resources != nil && *alloc.TaskResources["main"].CPU == 20, "resources: %+v", alloc.TaskResources)
	events := alloc.TaskStates["main"].Events
	check(len(events) > 0 && events[0].DisplayMessage == "Task received by client", "events: %+v", events[0])
	check(readLogs(alloc, "stdout", "out-line\n") == "out-line\n", "stdout differs")
	check(readLogs(alloc, "stderr", "err-line\n") == "err-line\n", "stderr differs")
	list, _, err := client.Allocations().PrefixList(alloc.ID[:8])
	must(err)
	check(len(list) == 1, "prefix found %d", len(list))
	files, _, err := client.AllocFS().List(alloc, "/", nil)
	must(err)
	check(slices.ContainsFunc(files, func(f *api.AllocFileInfo) bool { return f.Name == "main" && f.IsDir }), "files: %+v", files)
	stat, _, err := client.AllocFS().Stat(alloc, "alloc/logs/main.stdout.0", nil)
	must(err)
	check(stat.Size == int64(len("out-line\n")), "size %d", stat.Size)
	part, err := client.AllocFS().ReadAt(alloc, "alloc/logs/main.stdout.0", 4, 4, nil)
	must(err)
	data, err := io.ReadAll(part)
	must(err)
	check(string(data) == "line", "part is %q", data)
	stats, err := client.Allocations().Stats(alloc, nil)
	must(err)
	check(stats.ResourceUsage != nil && stats.Tasks["main"] != nil, "stats: %+v", stats)
	must(client.Allocations().Signal(alloc, nil, "main", "SIGCONT"))
	must(client.Allocations().Restart(alloc, "main", nil))
	waitFor("the restart", func(q *api.QueryOptions) (bool, *api.QueryMeta, error) {
		again, meta, err := client.Allocations().Info(alloc.ID, q)
		return err == nil && again.TaskStates["main"].Restarts == 1 && again.TaskStates["main"].State == "running", meta, err
	})
	stop, err := client.Allocations().Stop(alloc, nil)
	must(err)
	check(stop.EvalID != "", "stop gave no evaluation")
	// Until the scheduler has looked, the stopped one still counts as one of two.
	waitFor("the stop", func(q *api.QueryOptions) (bool, *api.QueryMeta, error) {
		again, meta, err := client.Allocations().Info(alloc.ID, q)
		return err == nil && again.DesiredStatus == api.AllocDesiredStatusStop, meta, err
	})
	running("goweb", 2)
}

func checks() {
	_, err := client.Allocations().Checks(firstAlloc().ID, nil)
	must(err)
}

func exec() {
	alloc := firstAlloc()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var out, errOut bytes.Buffer
	code, err := client.Allocations().Exec(ctx, alloc, "main", false,
		[]string{"/bin/sh", "-c", "read line; echo got $line; echo oops >&2; echo $NOMAD_TASK_NAME; exit 7"},
		strings.NewReader("words\n"), &out, &errOut, nil, nil)
	must(err)
	check(code == 7, "exit code %d", code)
	check(out.String() == "got words\nmain\n", "stdout %q", out.String())
	check(errOut.String() == "oops\n", "stderr %q", errOut.String())
	out.Reset()
	sizes := make(chan api.TerminalSize, 1)
	sizes <- api.TerminalSize{Height: 33, Width: 99}
	reader, writer := io.Pipe()
	go func() { fmt.Fprint(writer, "stty size\nexit 3\n") }()
	code, err = client.Allocations().Exec(ctx, alloc, "main", true, []string{"/bin/sh", "-c", "sleep 1; exec /bin/sh"},
		reader, &out, &errOut, sizes, nil)
	must(err)
	check(code == 3, "exit code on a terminal %d (%q)", code, out.String())
	check(strings.Contains(out.String(), "33 99"), "terminal size is not in %q", out.String())
	out.Reset()
	code, err = client.Jobs().ActionExec(ctx, alloc, "goweb", "main", false, nil, "greet",
		strings.NewReader(""), &out, &errOut, nil, nil)
	must(err)
	check(code == 0 && out.String() == "greetings\n", "action: %d %q", code, out.String())
	_, err = client.Allocations().Exec(ctx, alloc, "main", false, []string{"/no/such/program"},
		strings.NewReader(""), &out, &errOut, nil, nil)
	check(err != nil, "a missing program gave no error")
}

func nodes() {
	list, _, err := client.Nodes().List(&api.QueryOptions{Params: map[string]string{"resources": "true", "os": "true"}})
	must(err)
	check(len(list) == 1 && list[0].Status == "ready" && list[0].NodeResources != nil, "nodes: %+v", list)
	id := list[0].ID
	node, _, err := client.Nodes().Info(id, nil)
	must(err)
	check(node.Attributes["kernel.name"] == "linux", "node: %s", node.Attributes["kernel.name"])
	allocs, _, err := client.Nodes().Allocations(id, nil)
	must(err)
	check(len(allocs) >= 2 && allocs[0].Job != nil, "%d allocations on the node", len(allocs))
	stats, err := client.Nodes().Stats(id, nil)
	must(err)
	check(stats.Memory.Total > 0 && len(stats.CPU) > 0, "stats: %+v", stats.Memory)
	_, err = client.Nodes().ToggleEligibility(id, false, nil)
	must(err)
	node, _, err = client.Nodes().Info(id, nil)
	must(err)
	check(node.SchedulingEligibility == "ineligible", "eligibility %s", node.SchedulingEligibility)
	_, err = client.Nodes().ToggleEligibility(id, true, nil)
	must(err)
	meta, err := client.Nodes().Meta().Apply(&api.NodeMetaApplyRequest{NodeID: id, Meta: map[string]*string{"rack": ptr("r7")}}, nil)
	must(err)
	check(meta.Meta["rack"] == "r7" && *meta.Dynamic["rack"] == "r7", "meta: %+v", meta)
	waitFor("the node's metadata", func(q *api.QueryOptions) (bool, *api.QueryMeta, error) {
		n, qm, err := client.Nodes().Info(id, q)
		return err == nil && n.Meta["rack"] == "r7", qm, err
	})
	pool := &api.NodePool{Name: "gopool", Description: "made by a test"}
	_, err = client.NodePools().Register(pool, nil)
	must(err)
	in, _, err := client.NodePools().ListNodes("default", nil)
	must(err)
	check(len(in) == 1, "%d nodes in the pool", len(in))
	_, err = client.NodePools().Delete("gopool", nil)
	must(err)
}

func events() {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	stream, err := client.EventStream().Stream(ctx, map[api.Topic][]string{api.TopicJob: {"goevents"}}, 0, nil)
	must(err)
	_, _, err = client.Jobs().Register(service("goevents", "exec sleep 600", 1), nil)
	must(err)
	for batch := range stream {
		must(batch.Err)
		for _, event := range batch.Events {
			check(event.Topic == api.TopicJob && event.Key == "goevents", "unasked event %s %s", event.Topic, event.Key)
			job, err := event.Job()
			must(err)
			if event.Type == "JobRegistered" && *job.ID == "goevents" {
				return
			}
		}
	}
	panic(errors.New("the stream ended without the event"))
}

func variables() {
	made, _, err := client.Variables().Create(&api.Variable{Path: "app/db", Items: api.VariableItems{"user": "u"}}, nil)
	must(err)
	read, _, err := client.Variables().Read("app/db", nil)
	must(err)
	check(read.Items["user"] == "u" && read.ModifyIndex == made.ModifyIndex, "read: %+v", read)
	read.ModifyIndex = 1
	_, _, err = client.Variables().CheckedUpdate(read, nil)
	var conflict api.ErrCASConflict
	check(errors.As(err, &conflict), "stale update: %v", err)
	list, _, err := client.Variables().PrefixList("app", nil)
	must(err)
	check(len(list) == 1, "list: %d", len(list))
	_, _, err = client.Variables().Read("app/none", nil)
	check(errors.Is(err, api.ErrVariablePathNotFound), "missing variable: %v", err)
	_, err = client.Variables().Delete("app/db", nil)
	must(err)
}

func deployments() {
	job := service("godep", "exec sleep 600", 2)
	_, _, err := client.Jobs().Register(job, nil)
	must(err)
	finished := func(version uint64) *api.Deployment {
		var found *api.Deployment
		waitFor("the deployment", func(q *api.QueryOptions) (bool, *api.QueryMeta, error) {
			d, meta, err := client.Jobs().LatestDeployment("godep", q)
			found = d
			return d != nil && d.JobVersion == version && d.Status == "successful", meta, err
		})
		return found
	}
	finished(0)
	job.Update.Canary = ptr(1)
	job.TaskGroups[0].Tasks[0].Config["args"] = []string{"-c", "exec sleep 601"}
	_, _, err = client.Jobs().Register(job, nil)
	must(err)
	var canary *api.Deployment
	waitFor("a healthy canary", func(q *api.QueryOptions) (bool, *api.QueryMeta, error) {
		d, meta, err := client.Jobs().LatestDeployment("godep", q)
		canary = d
		return d != nil && d.JobVersion == 1 && d.TaskGroups["grp"].HealthyAllocs >= 1, meta, err
	})
	_, _, err = client.Deployments().Pause(canary.ID, true, nil)
	must(err)
	_, _, err = client.Deployments().Pause(canary.ID, false, nil)
	must(err)
	_, _, err = client.Deployments().PromoteAll(canary.ID, nil)
	must(err)
	finished(1)
	allocs, _, err := client.Deployments().Allocations(canary.ID, nil)
	must(err)
	check(len(allocs) >= 2, "%d allocations in the deployment", len(allocs))
	list, _, err := client.Deployments().List(nil)
	must(err)
	check(len(list) >= 2, "%d deployments", len(list))
}

func search() {
	prefix, _, err := client.Search().PrefixSearch("gow", contexts.Jobs, nil)
	must(err)
	check(slices.Equal(prefix.Matches[contexts.Jobs], []string{"goweb"}), "matches: %+v", prefix.Matches)
	fuzzy, _, err := client.Search().FuzzySearch("grp", contexts.All, nil)
	must(err)
	groups := fuzzy.Matches[contexts.Groups]
	check(len(groups) > 0 && groups[0].ID == "grp" && groups[0].Scope[0] == "default", "fuzzy: %+v", fuzzy.Matches)
	check(len(fuzzy.Matches[contexts.Allocs]) > 0, "no allocations in %+v", fuzzy.Matches)
}

func operator() {
	leader, err := client.Status().Leader()
	must(err)
	check(leader != "", "no leader")
	peers, err := client.Status().Peers()
	must(err)
	check(slices.Contains(peers, leader), "peers %v lack %s", peers, leader)
	regions, err := client.Regions().List()
	must(err)
	check(slices.Equal(regions, []string{"global"}), "regions %v", regions)
	self, err := client.Agent().Self()
	must(err)
	check(self.Member.Tags["region"] == "global" && self.Stats["client"]["node_id"] != "", "self: %+v", self.Member)
	members, err := client.Agent().Members()
	must(err)
	check(len(members.Members) == 1, "%d members", len(members.Members))
	health, err := client.Agent().Health()
	must(err)
	check(health.Server.Ok && health.Client.Ok, "health: %+v", health)
	raft, err := client.Operator().RaftGetConfiguration(nil)
	must(err)
	check(len(raft.Servers) == 1 && raft.Servers[0].Leader, "raft: %+v", raft)
	config, _, err := client.Operator().SchedulerGetConfiguration(nil)
	must(err)
	config.SchedulerConfig.SchedulerAlgorithm = api.SchedulerAlgorithmSpread
	set, _, err := client.Operator().SchedulerCASConfiguration(config.SchedulerConfig, nil)
	must(err)
	check(set.Updated, "the scheduler's configuration was not updated")
	pilot, _, err := client.Operator().AutopilotGetConfiguration(nil)
	must(err)
	check(pilot.LastContactThreshold > 0, "autopilot: %+v", pilot)
	healthy, _, err := client.Operator().AutopilotServerHealth(nil)
	must(err)
	check(healthy.Healthy, "autopilot health: %+v", healthy)
	metrics, _, err := client.Operator().MetricsSummary(nil)
	must(err)
	check(len(metrics.Gauges) > 0, "no gauges")
	workers, err := client.Agent().GetSchedulerWorkersInfo(nil)
	must(err)
	check(len(workers.Schedulers) > 0, "no scheduler workers")
	host, err := client.Agent().Host("", "", nil)
	must(err)
	check(host != nil, "no host data")
	_, err = client.Namespaces().Register(&api.Namespace{Name: "godev", Description: "d", Meta: map[string]string{"a": "b"}}, nil)
	must(err)
	ns, _, err := client.Namespaces().Info("godev", nil)
	must(err)
	check(ns.Meta["a"] == "b", "namespace: %+v", ns)
	_, err = client.Namespaces().Delete("godev", nil)
	must(err)
	stop := make(chan struct{})
	frames, errs := client.Agent().Monitor(stop, &api.QueryOptions{Params: map[string]string{"log_level": "trace"}})
	_, _, err = client.Jobs().Register(service("gologged", "exec sleep 600", 1), nil)
	must(err)
	select {
	case frame := <-frames:
		check(frame != nil, "the monitor ended")
	case err := <-errs:
		must(err)
	case <-time.After(deadline):
		panic(errors.New("the monitor said nothing"))
	}
	close(stop)
	must(client.System().GarbageCollect())
	must(client.System().ReconcileSummaries())
}

func evaluations() {
	list, _, err := client.Evaluations().List(&api.QueryOptions{PerPage: 3, Reverse: true})
	must(err)
	check(len(list) == 3 && list[0].CreateIndex >= list[2].CreateIndex, "evaluations: %d", len(list))
	info, _, err := client.Evaluations().Info(list[0].ID, nil)
	must(err)
	check(info.ID == list[0].ID, "evaluation %s", info.ID)
	count, _, err := client.Evaluations().Count(nil)
	must(err)
	check(count.Count >= 3, "count %d", count.Count)
	_, err = client.Evaluations().Delete([]string{info.ID}, nil)
	check(err != nil && strings.Contains(err.Error(), "eval broker must be paused"), "deletion while the broker runs: %v", err)
}

func acl() {
	_, _, err := client.ACLTokens().List(nil)
	check(err != nil && strings.Contains(err.Error(), "ACL support disabled"), "tokens without ACLs: %v", err)
}

// secured runs against an agent with ACLs on.
func secured() {
	boot, _, err := client.ACLTokens().Bootstrap(nil)
	must(err)
	check(boot.Type == "management" && boot.SecretID != "", "bootstrap: %+v", boot.Type)
	client.SetSecretID(boot.SecretID)
	_, _, err = client.ACLTokens().Bootstrap(nil)
	check(err != nil && strings.Contains(err.Error(), "ACL bootstrap already done"), "second bootstrap: %v", err)
	_, err = client.ACLPolicies().Upsert(&api.ACLPolicy{Name: "ro", Rules: `namespace "default" { policy = "read" }`}, nil)
	must(err)
	token, _, err := client.ACLTokens().Create(&api.ACLToken{Name: "reader", Type: "client", Policies: []string{"ro"}}, nil)
	must(err)
	policies, _, err := client.ACLPolicies().List(nil)
	must(err)
	check(len(policies) == 1, "%d policies", len(policies))
	client.SetSecretID(token.SecretID)
	self, _, err := client.ACLTokens().Self(nil)
	must(err)
	check(self.AccessorID == token.AccessorID, "self is %s", self.AccessorID)
	_, _, err = client.Jobs().List(nil)
	must(err)
	_, _, err = client.Jobs().Register(service("nope", "true", 1), nil)
	check(err != nil && strings.Contains(err.Error(), "Permission denied"), "reader registered: %v", err)
	client.SetSecretID(boot.SecretID)
	_, err = client.ACLTokens().Delete(token.AccessorID, nil)
	must(err)
	_, err = client.ACLPolicies().Delete("ro", nil)
	must(err)
}

func main() {
	var err error
	client, err = api.NewClient(api.DefaultConfig())
	must(err)
	sections := []struct {
		name string
		run  func()
	}{
		{"jobs", jobs}, {"plan", plan}, {"batch", batch}, {"allocations", allocations}, {"checks", checks}, {"exec", exec}, {"nodes", nodes}, {"events", events},
		{"variables", variables}, {"deployments", deployments}, {"search", search}, {"evaluations", evaluations},
		{"operator", operator}, {"acl", acl},
	}
	if len(os.Args) > 1 && os.Args[1] == "secured" {
		sections = sections[:0]
		sections = append(sections, struct {
			name string
			run  func()
		}{"secured", secured})
	}
	for _, section := range sections {
		text := ""
		func() {
			defer func() {
				if problem := recover(); problem != nil {
					text = fmt.Sprint(problem)
				}
			}()
			section.run()
		}()
		line, _ := json.Marshal(map[string]string{"section": section.name, "error": text})
		fmt.Println(string(line))
	}
}
