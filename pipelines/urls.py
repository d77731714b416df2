"""Addresses of pipelines and runs, below ``/w/<workspace>/``."""

from django.urls import path

from pipelines.views import activity, builder, canvas, graph, outputs, pipelines, review, runs, steps, versions

urlpatterns = [
    path("activity/", activity.show, name="activity"),
    path("pipelines/", pipelines.index, name="pipelines"),
    path("pipelines/new/", pipelines.gallery, name="pipeline_new"),
    path("pipelines/new/from-file/", versions.import_spec, name="pipeline_import"),
    path("pipelines/spec.schema.json", versions.schema, name="spec_schema"),
    path("pipelines/new/<slug:template>/", pipelines.create, name="pipeline_create"),
    path("pipelines/<slug:slug>/", builder.show, name="pipeline"),
    path("pipelines/<slug:slug>/steps/<str:node>/", builder.save_step, name="pipeline_step"),
    path("pipelines/<slug:slug>/versions/", versions.index, name="pipeline_versions"),
    path("pipelines/<slug:slug>/versions/save/", versions.save, name="pipeline_version_save"),
    path("pipelines/<slug:slug>/versions/diff/", versions.diff, name="pipeline_diff"),
    path("pipelines/<slug:slug>/versions/<int:number>/restore/", versions.restore, name="pipeline_restore"),
    path("pipelines/<slug:slug>/draft/", canvas.save, name="pipeline_draft"),
    path("pipelines/<slug:slug>/state.json", canvas.show_state, name="pipeline_state"),
    path("pipelines/<slug:slug>/steps/<str:node>/panel/", builder.panel, name="pipeline_panel"),
    path("pipelines/<slug:slug>/steps/<str:node>/remove/", graph.remove, name="pipeline_step_remove"),
    path("pipelines/<slug:slug>/steps/<str:node>/copy/", graph.duplicate, name="pipeline_step_copy"),
    path("pipelines/<slug:slug>/steps/<str:node>/rename/", graph.rename, name="pipeline_step_rename"),
    path("pipelines/<slug:slug>/steps/<str:node>/wires/", graph.wire, name="pipeline_step_wires"),
    path("pipelines/<slug:slug>/add/", graph.add, name="pipeline_add"),
    path("pipelines/<slug:slug>/spec.yaml", builder.download_spec, name="pipeline_spec"),
    path("pipelines/<slug:slug>/start/", runs.start, name="run_start"),
    path("review/", review.index, name="review"),
    path("runs/", runs.index, name="runs"),
    path("runs/<int:number>/", runs.show, name="run"),
    path("runs/<int:number>/cancel/", runs.cancel, name="run_cancel"),
    path("runs/<int:number>/retry/", runs.retry, name="run_retry"),
    path("runs/<int:number>/steps/<str:node>/", steps.show, name="run_step"),
    path("runs/<int:number>/steps/<str:node>/answer/", steps.answer, name="run_step_answer"),
    path("runs/<int:number>/steps/<str:node>/outputs/<str:port>/", outputs.rows, name="run_output"),
    path("runs/<int:number>/steps/<str:node>/outputs/<str:port>/rows.jsonl", outputs.download, name="run_output_file"),
    path("runs/<int:number>/steps/<str:node>/log.txt", steps.download_log, name="run_step_log"),
    path("runs/<int:number>/steps/<str:node>/metrics.json", steps.metrics, name="run_step_metrics"),
]
