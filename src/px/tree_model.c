// SPDX-License-Identifier: MIT
/* What the records say, out of the data set of an object. Members and their order are pypx's. */
#include "dicom/dict.h"
#include "dicom/tags.h"
#include "px/pytext.h"
#include "px/tree_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static json_t *value_of(const DcmDataset *dataset, const DcmElement *e)
{
    Buf text;
    buf_init(&text, 0);
    json_t *value = NULL;
    if (px_python_text(dataset, e, &text)) {
        value = json_stringn(text.n ? (const char *)text.p : "", text.n);
        value = value ? value : json_string("");
    }
    buf_free(&text);
    return value;
}

static json_t *model(const DcmDataset *dataset, const char *const *keywords, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        const DcmDictEntry *entry = dcm_dict_keyword(span_cstr(keywords[i]));
        const DcmElement *e = entry ? dcm_find(dataset, entry->tag) : NULL;
        json_t *value = e ? value_of(dataset, e) : NULL;
        json_object_set_new(object, keywords[i], value ? value : json_string("Not defined"));
    }
    return object;
}

#define MODEL(dataset, ...)                                                                                  \
    model((dataset), (const char *const[]){__VA_ARGS__},                                                     \
          sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

json_t *px_tree_patient(const DcmDataset *dataset)
{
    return MODEL(dataset, "PatientID", "PatientName", "PatientAge", "PatientSex", "PatientBirthDate");
}

json_t *px_tree_study(const DcmDataset *dataset)
{
    return MODEL(dataset, "PatientID", "StudyDescription", "StudyDate", "StudyInstanceUID",
                 "PerformedStationAETitle");
}

json_t *px_tree_series(const DcmDataset *dataset)
{
    return MODEL(dataset, "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription",
                 "SeriesNumber", "SeriesDate", "Modality");
}

/* -- everything that has a name -- */

typedef struct Named {
    const char *keyword;
    const DcmElement *element;
} Named;

static int by_keyword(const void *a, const void *b)
{
    return strcmp(((const Named *)a)->keyword, ((const Named *)b)->keyword);
}

/* pydicom finds no element by the keyword of a repeating group, and has no group lengths. */
static const char *keyword_of(const DcmElement *e)
{
    const DcmDictEntry *entry = DCM_TAG_IS_PRIVATE(e->tag) ? NULL : dcm_dict(e->tag);
    if (!entry || entry->mask != UINT32_MAX || !entry->keyword || !*entry->keyword)
        return NULL;
    return e->tag == DCM_PixelData || DCM_TAG_ELEMENT(e->tag) == 0 ? NULL : entry->keyword;
}

static json_t *dump(const DcmDataset *dataset)
{
    Named *named = calloc(dataset->count ? dataset->count : 1, sizeof *named);
    json_t *all = json_object();
    size_t count = 0;
    if (!named)
        abort();
    for (size_t i = 0; i < dataset->count; i++) {
        const char *keyword = keyword_of(&dataset->elements[i]);
        if (keyword)
            named[count++] = (Named){keyword, &dataset->elements[i]};
    }
    qsort(named, count, sizeof *named, by_keyword);
    for (size_t i = 0; i < count; i++) {
        json_t *value = value_of(dataset, named[i].element);
        if (value)
            json_object_set_new(all, named[i].keyword,
                                json_pack("{s:o,s:s}", "value", value, "label", named[i].keyword));
    }
    free(named);
    return all;
}

json_t *px_tree_study_series(const DcmDataset *dataset, const PxObject *object)
{
    const char *slash = strrchr(object->path, '/');
    json_t *one = json_object();
    json_object_set_new(one, "SeriesInstanceUID", px_text(object->series));
    json_object_set_new(one, "SeriesBaseDir",
                        json_stringn(object->path, slash ? (size_t)(slash - object->path) : 0));
    json_object_set_new(one, "DICOM", dump(dataset));
    return one;
}

/* -- images -- */

/* As Python shows a datetime: local, no fraction when it is 0, rounded to microseconds. */
static json_t *time_text(struct timespec when)
{
    char text[64];
    struct tm local;
    long micro = lround((double)when.tv_nsec / 1000.0);
    time_t seconds = when.tv_sec + micro / 1000000;
    micro %= 1000000;
    localtime_r(&seconds, &local);
    size_t n = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    if (micro)
        snprintf(text + n, sizeof text - n, ".%06ld", micro);
    return json_string(text);
}

static json_t *stat_record(const struct stat *st, const char *path)
{
    json_t *record = json_object();
    json_object_set_new(record, "atime", time_text(st->st_atim));
    json_object_set_new(record, "blksize", json_integer(st->st_blksize));
    json_object_set_new(record, "blocks", json_integer(st->st_blocks));
    json_object_set_new(record, "ctime", time_text(st->st_ctim));
    json_object_set_new(record, "dev", json_integer((json_int_t)st->st_dev));
    json_object_set_new(record, "gid", json_integer(st->st_gid));
    json_object_set_new(record, "ino", json_integer((json_int_t)st->st_ino));
    json_object_set_new(record, "mode", json_integer(st->st_mode));
    json_object_set_new(record, "mtime", time_text(st->st_mtim));
    json_object_set_new(record, "nlink", json_integer((json_int_t)st->st_nlink));
    json_object_set_new(record, "rdev", json_integer((json_int_t)st->st_rdev));
    json_object_set_new(record, "size", json_integer(st->st_size));
    json_object_set_new(record, "uid", json_integer(st->st_uid));
    json_object_set_new(record, "FSlocation", px_text(path));
    return record;
}

json_t *px_tree_image(const json_t *series, const PxObject *object, Err *err)
{
    struct stat st;
    if (stat(object->path, &st) != 0) {
        err_errno(err, errno, "the file of object %s", object->sop_instance);
        return NULL;
    }
    const char *name = px_tree_image_name(object->path);
    json_t *image = json_deep_copy(series), *files = json_object();
    json_object_set_new(image, "outputFile", px_text(name));
    json_object_set_new(files, name, stat_record(&st, object->path));
    json_object_set_new(image, "imageObj", files);
    return image;
}
