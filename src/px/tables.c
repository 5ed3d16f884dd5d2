// SPDX-License-Identifier: MIT
#include "px/tables.h"

#include "px/document.h"
#include "px/series.h"
#include "px/tree_internal.h"

static json_t *place(Arena *arena, const char *log_path, const char *name, bool exists)
{
    return json_pack("{s:o,s:b}", "name", px_text(name ? arena_printf(arena, "%s/%s", log_path, name) : ""),
                     "exists", exists);
}

json_t *px_tables_of_patient(const char *log_path, const char *patient, bool exists)
{
    Arena *arena = arena_new(0);
    json_t *file = place(arena, log_path, px_tree_name(arena, PX_TREE_PATIENT, patient, NULL), exists);
    arena_free(arena);
    return json_pack("{s:b,s:o}", "status", true, "patientDataFile", file);
}

json_t *px_tables_of_study(const char *log_path, const char *study, bool exists, const char *series,
                           bool series_exists)
{
    Arena *arena = arena_new(0);
    json_t *file = series ? place(arena, log_path, px_tree_name(arena, PX_TREE_STUDY_SERIES, study, series),
                                  series_exists)
                          : json_pack("{s:s,s:b}", "name", "-not applicable-", "exists", false);
    const char *folder = px_tree_name(arena, PX_TREE_STUDY_SERIES, study, NULL);
    json_t *tables =
        json_pack("{s:b,s:o,s:o,s:o,s:o}", "status", true, "studyDataDir",
                  px_text(arena_printf(arena, "%s/studyData", log_path)), "studySeriesDir",
                  px_text(arena_printf(arena, "%s/%s", log_path, folder)), "studyMetaFile",
                  place(arena, log_path, px_tree_name(arena, PX_TREE_STUDY, study, NULL), exists),
                  "studySeriesFile", file);
    arena_free(arena);
    return tables;
}

static bool note(void *ctx, const PxSeriesRow *row, Err *err)
{
    (void)row;
    (void)err;
    *(bool *)ctx = true;
    return true;
}

bool px_look_at_series(PxBase *base, const char *series, PxThere *out, Err *err)
{
    *out = (PxThere){0};
    bool ok = px_base_series(base, &(PxSelection){.series = series}, note, &out->series, err);
    for (int i = 0; ok && i < PX_TABLE_COUNT; i++) {
        json_t *record;
        ok = px_record_read(base, (PxTable)i, series, &record, err);
        out->tables[i] = ok && record;
        json_decref(record);
    }
    out->tables[PX_TABLE_PACK] = out->tables[PX_TABLE_PACK] || out->series;
    return ok;
}

json_t *px_tables_of_series(const char *log_path, const char *series, const char *image, const PxThere *there)
{
    static const struct {
        const char *member;
        PxTable table;
    } last[] = {{"series-push", PX_TABLE_PUSH},
                {"series-pack", PX_TABLE_PACK},
                {"series-register", PX_TABLE_REGISTER}};
    Arena *arena = arena_new(0);
    const char *image_file =
        image ? px_tree_name(arena, PX_TREE_IMAGE, series, px_tree_image_name(image)) : NULL;
    json_t *tables =
        json_pack("{s:b,s:o,s:o,s:o,s:o}", "status", true, "seriesBaseDir",
                  place(arena, log_path, px_tree_name(arena, PX_TREE_IMAGE, series, NULL), there->series),
                  "series-meta",
                  place(arena, log_path, px_tree_name(arena, PX_TREE_SERIES, series, NULL), there->series),
                  "series-retrieve",
                  place(arena, log_path, px_tree_table_name(arena, PX_TABLE_RETRIEVE, series),
                        there->tables[PX_TABLE_RETRIEVE]),
                  "series-image", place(arena, log_path, image_file, image && there->image));
    for (size_t i = 0; i < sizeof last / sizeof *last; i++)
        json_object_set_new(tables, last[i].member,
                            place(arena, log_path, px_tree_table_name(arena, last[i].table, series),
                                  there->tables[last[i].table]));
    arena_free(arena);
    return tables;
}
