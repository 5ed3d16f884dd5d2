// SPDX-License-Identifier: MIT
/* cli/keys, textset, contexts, outbox: what is asked for, and what is sent. */
#include "house.h"

#include "base/textset.h"
#include "cli/contexts.h"
#include "cli/keys.h"
#include "cli/outbox.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"

/* "absent", or the value. */
static const char *value_of(Arena *arena, const DcmDataset *keys, DcmTag tag)
{
    const char *text = dcm_text_all(arena, keys, tag);
    return text ? text : "absent";
}

static void find_keys(void **state)
{
    static const struct {
        KeyArgs args;
        const char *patient, *study, *series;
        ScuModel model;
    } cases[] = {
        {{.level = "STUDY"}, "absent", "", "absent", SCU_STUDY_ROOT},
        {{.level = "STUDY", .study = "1.2"}, "absent", "1.2", "absent", SCU_STUDY_ROOT},
        {{.level = "STUDY", .study = "*"}, "absent", "", "absent", SCU_STUDY_ROOT},
        {{.level = "STUDY", .patient = "P"}, "P", "", "absent", SCU_STUDY_ROOT},
        {{.level = "STUDY", .patient = "P", .study = "1.2"}, "P", "1.2", "absent", SCU_STUDY_ROOT},
        {{.level = "STUDY", .series = "1.3"}, "absent", "", "1.3", SCU_STUDY_ROOT},
        {{.level = "PATIENT"}, "*", "absent", "absent", SCU_PATIENT_ROOT},
        {{.level = "PATIENT", .study = "1.2"}, "*", "1.2", "absent", SCU_PATIENT_ROOT},
        {{.level = "PATIENT", .patient = "P"}, "P", "absent", "absent", SCU_PATIENT_ROOT},
        {{.level = "SERIES", .study = "1.2"}, "absent", "1.2", "", SCU_STUDY_ROOT},
        {{.level = "SERIES", .study = "1.2", .series = "1.3"}, "absent", "1.2", "1.3", SCU_STUDY_ROOT},
        {{.level = "IMAGE", .study = "1.2", .series = "1.3"}, "absent", "1.2", "1.3", SCU_STUDY_ROOT},
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        const DcmDataset *keys = keys_for_find(arena, &cases[i].args, &err);
        assert_non_null(keys);
        assert_string_equal(value_of(arena, keys, DCM_PatientID), cases[i].patient);
        assert_string_equal(value_of(arena, keys, DCM_StudyInstanceUID), cases[i].study);
        assert_string_equal(value_of(arena, keys, DCM_SeriesInstanceUID), cases[i].series);
        assert_string_equal(value_of(arena, keys, DCM_QueryRetrieveLevel), cases[i].args.level);
        assert_int_equal(keys_model(keys_level(&cases[i].args)), cases[i].model);
    }
    arena_free(arena);
}

/* Level and character set are the request's own. */
static void keys_that_are_none(void **state)
{
    static const char *const bad[] = {"QueryRetrieveLevel=IMAGE", "SpecificCharacterSet=ISO_IR 100",
                                      "00020010=1.2", "0000,0002=1.2", "PatientNmae"};
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        KeyArgs args = {.level = "STUDY", .extra = {{bad[i]}, 1}};
        Err err = {0};
        assert_null(keys_for_find(arena, &args, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    KeyArgs args = {.level = "STUDY", .extra = {{"QueryRetrieveLevel", "SpecificCharacterSet"}, 2}};
    Err err = {0};
    const DcmDataset *keys = keys_for_find(arena, &args, &err);
    assert_string_equal(value_of(arena, keys, DCM_QueryRetrieveLevel), "STUDY");
    assert_string_equal(value_of(arena, keys, DCM_SpecificCharacterSet), "ISO_IR 192");
    arena_free(arena);
}

static void extra_keys(void **state)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    KeyArgs args = {
        .level = "STUDY",
        .extra = {{"PatientName=DO*", "0008,0020=20200101-", "(0008,0061)", "RequestAttributesSequence"}, 4}};
    const DcmDataset *keys = keys_for_find(arena, &args, &err);
    assert_non_null(keys);
    assert_string_equal(value_of(arena, keys, DCM_PatientName), "DO*");
    assert_string_equal(value_of(arena, keys, DCM_StudyDate), "20200101-");
    assert_string_equal(value_of(arena, keys, DCM_ModalitiesInStudy), "");
    assert_non_null(dcm_find(keys, DCM_RequestAttributesSequence));
    args.extra = (OptionList){{"Patient Name"}, 1};
    assert_null(keys_for_find(arena, &args, &err));
    assert_int_equal(err.code, ERR_USAGE);
    args.extra = (OptionList){{"RequestAttributesSequence=1"}, 1};
    assert_null(keys_for_find(arena, &args, &err));
    arena_free(arena);
}

static void retrieve_keys(void **state)
{
    Arena *arena = arena_new(0);
    KeyArgs args = {.level = "SERIES", .patient = "P", .study = "1.2", .series = "1.3", .instance = "1.4"};
    const DcmDataset *keys = keys_for_retrieve(arena, &args, NULL);
    assert_string_equal(value_of(arena, keys, DCM_SeriesInstanceUID), "1.3");
    assert_string_equal(value_of(arena, keys, DCM_StudyInstanceUID), "1.2");
    assert_string_equal(value_of(arena, keys, DCM_PatientID), "P");
    assert_string_equal(value_of(arena, keys, DCM_SOPInstanceUID), "absent");
    keys = keys_for_retrieve(arena, &args, "9.9");
    assert_string_equal(value_of(arena, keys, DCM_SeriesInstanceUID), "9.9");
    arena_free(arena);
}

static void text_sets(void **state)
{
    Arena *arena = arena_new(0);
    TextSet set = textset_of(arena);
    enum { MANY = 5000 };
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++) {
            char text[16];
            snprintf(text, sizeof text, "%d", i);
            assert_int_equal(textset_add(&set, text), round == 0);
        }
    assert_int_equal(set.count, MANY);
    assert_string_equal(set.items[0], "0");
    assert_string_equal(set.items[MANY - 1], "4999");
    textset_free(&set);
    arena_free(arena);
}

static void context_sets(void **state)
{
    char *folder = house_folder();
    Arena *arena = arena_new(0);
    Settings settings = {.folder = folder};
    house_write(
        folder, "app/contexts.yml",
        "onco:\n  classes: [VLPhotographicImageStorage, 1.2.3.4]\n  transfer_syntaxes: [JPEGBaseline8Bit]\n"
        "bad:\n  classes: [NoSuchClass]\n  transfer_syntaxes: [JPEGBaseline8Bit]\n"
        "short:\n  classes: [CTImageStorage]\n");
    ContextSet set = {0};
    Err err = {0};
    assert_true(contexts_find(arena, &settings, "onco", &set, &err));
    assert_int_equal(set.classes.count, 2);
    assert_string_equal(set.classes.items[0], DCM_UID_VLPhotographicImageStorage);
    assert_string_equal(set.classes.items[1], "1.2.3.4");
    assert_string_equal(set.syntaxes.items[0], DCM_UID_JPEGBaseline8Bit);
    assert_false(contexts_find(arena, &settings, "none", &set, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(contexts_find(arena, &settings, "bad", &set, &err));
    assert_non_null(strstr(err.text, "contexts.yml:5: classes: 'NoSuchClass'"));
    assert_false(contexts_find(arena, &settings, "short", &set, &err));
    assert_non_null(strstr(err.text, "transfer_syntaxes"));
    arena_free(arena);
    house_remove(folder);
}

/* Real files: class, instance, series and where the data set begins. */
static void outbox_reads_heads(void **state)
{
    const char *data = getenv("GANTRY_TEST_DATA");
    assert_non_null(data);
    char path[512];
    snprintf(path, sizeof path, "%s/pydicom/test_files/CT_small.dcm", data);
    Arena *arena = arena_new(0);
    Outbox box = {.arena = arena};
    Err err = {0};
    assert_true(outbox_add_path(&box, path, &err));
    assert_int_equal(box.count, 1);
    const OutItem *ct = &box.items[0];
    assert_string_equal(ct->sop_class, DCM_UID_CTImageStorage);
    assert_string_equal(ct->sop_instance, "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322");
    assert_string_equal(ct->study, "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322");
    assert_string_equal(ct->series, "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322");
    assert_string_equal(ct->syntax, DCM_UID_ExplicitVRLittleEndian);
    assert_int_equal(ct->data_offset, 336);
    outbox_free(&box);
    arena_free(arena);
}

static void outbox_skips(void **state)
{
    char *folder = house_folder();
    house_write(folder, "a.txt", "no DICOM");
    house_write(folder, ".hidden/b.txt", "no DICOM");
    house_write(folder, "sub/.c", "no DICOM");
    house_write(folder, "sub/empty", "");
    Arena *arena = arena_new(0);
    Outbox box = {.arena = arena};
    Err err = {0};
    log_close();
    assert_true(outbox_add_path(&box, folder, &err));
    assert_int_equal(box.count, 0);
    assert_int_equal(box.skipped, 2);
    assert_int_equal(box.damaged, 0);
    char cut[140] = "";
    memcpy(cut + 128, "DICM\2\0\0\0UL", 10);
    memset(cut, 'x', 128); /* text to the helper, which writes up to the first zero */
    house_write(folder, "cut", cut);
    assert_true(outbox_add_path(&box, folder, &err));
    assert_int_equal(box.skipped, 5);
    assert_int_equal(box.damaged, 1);
    assert_false(outbox_add_path(&box, "/tmp/no/such/path", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    outbox_free(&box);
    arena_free(arena);
    house_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_keys),          cmocka_unit_test(extra_keys),
        cmocka_unit_test(keys_that_are_none), cmocka_unit_test(retrieve_keys),
        cmocka_unit_test(text_sets),          cmocka_unit_test(context_sets),
        cmocka_unit_test(outbox_reads_heads), cmocka_unit_test(outbox_skips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
