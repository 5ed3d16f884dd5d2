// SPDX-License-Identifier: MIT
/* px/template: the paths that pypx made, its functions, and what pypx gets wrong: missing attributes, other alphabets, names that are no names. */
#include "dicom/tags.h"
#include "px/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct Pair {
    DcmTag tag;
    const char *value;
} Pair;

/* What tests/data/px has as 17-spaces-s1-i1.dcm. */
static const Pair spaces[] = {{DCM_StudyDate, "20130308"},
                              {DCM_AccessionNumber, "ACC-100/7"},
                              {DCM_Modality, "CT"},
                              {DCM_StudyDescription, "Brain w/o  Contrast [x] 1_2"},
                              {DCM_SeriesDescription, "AX T2 (fs) [x] & more"},
                              {DCM_PatientName, "O'Neil^Mary Jane^^Dr"},
                              {DCM_PatientID, "LAB 001 X"},
                              {DCM_PatientBirthDate, "20100203"},
                              {DCM_PatientSex, "F"},
                              {DCM_StudyInstanceUID, "1.2.826.0.1.3680043.8.498.7777.1"},
                              {DCM_SeriesInstanceUID, "1.2.826.0.1.3680043.8.498.7777.1.1"},
                              {DCM_SOPInstanceUID, "1.2.826.0.1.3680043.8.498.7777.1.1.1"},
                              {DCM_SeriesNumber, "3"},
                              {DCM_InstanceNumber, "1"},
                              {0, NULL}};
/* The worked results of pypx's documentation. */
static const Pair worked[] = {{DCM_StudyDate, "20130308"},
                              {DCM_AccessionNumber, "A1"},
                              {DCM_StudyDescription, "Brain w/o"},
                              {DCM_SeriesDescription, "SAG MPRAGE 220 FOV"},
                              {DCM_PatientName, "Doe^Jane"},
                              {DCM_PatientID, "P_01"},
                              {DCM_PatientBirthDate, "20100203"},
                              {DCM_StudyInstanceUID, "1.2.9.100"},
                              {DCM_SeriesInstanceUID, "1.2.9.100.1"},
                              {DCM_SOPInstanceUID, "1.2.9.100.1.7"},
                              {DCM_SeriesNumber, "1"},
                              {DCM_InstanceNumber, "7"},
                              {0, NULL}};
/* 16-ot-missing-elements.dcm */
static const Pair lacking[] = {
    {DCM_StudyDate, "20230118"},
    {DCM_PatientName, "Anonymized1"},
    {DCM_PatientID, "a83db7f7-0b26-49c2-a92f-484c5c06bc98"},
    {DCM_StudyInstanceUID, "1.2.276.0.7230010.3.1.2.2831156464.1.1674056925.390986"},
    {DCM_SeriesInstanceUID, "1.2.276.0.7230010.3.1.3.2831156464.1.1674056925.390987"},
    {DCM_SOPInstanceUID, "1.2.276.0.7230010.3.1.4.2831156464.1.1674056925.390988"},
    {0, NULL}};

static DcmDataset *dataset_of(Arena *arena, const Pair *pairs)
{
    DcmDataset *dataset = dcm_dataset_new(arena);
    for (; pairs->value; pairs++)
        dcm_put_utf8(dataset, pairs->tag, pairs->value);
    return dataset;
}

static void expect(const PxTemplateTexts *texts, PxMissing missing, const DcmDataset *dataset,
                   const char *expected)
{
    Err err = {0};
    PxTemplates *templates = px_templates_parse(texts, missing, &err);
    assert_non_null(templates);
    const char *path = px_templates_path(templates, dataset->arena, dataset, &err);
    assert_non_null(path);
    assert_string_equal(path, expected);
    px_templates_free(templates);
}

/* One template, as root; the others are letters. */
static const char *component(const char *text, const DcmDataset *dataset)
{
    Err err = {0};
    PxTemplates *templates =
        px_templates_parse(&(PxTemplateTexts){text, "b", "c", "d"}, PX_MISSING_NAME, &err);
    assert_non_null(templates);
    const char *path = px_templates_path(templates, dataset->arena, dataset, &err);
    assert_non_null(path);
    size_t n = strlen(path);
    assert_true(n > 6 && !strcmp(path + n - 6, "/b/c/d"));
    px_templates_free(templates);
    return arena_span_cstr(dataset->arena, span_of(path, n - 6));
}

static void expect_part(const char *text, const DcmDataset *dataset, const char *expected)
{
    assert_string_equal(component(text, dataset), expected);
}

static void presets(void **state)
{
    Arena *arena = arena_new(0);
    const DcmDataset *of_spaces = dataset_of(arena, spaces), *of_worked = dataset_of(arena, worked);
    expect(&px_templates_classic, PX_MISSING_NAME, of_spaces,
           "LAB_001_X-O_Neil_Mary_Jane_Dr-20100203/Brain_w_o_Contrast_x_1_2-ACC-100_7-20130308/"
           "00003-AX_T2_fs_x_more/0001-1.2.826.0.1.3680043.8.498.7777.1.1.1.dcm");
    expect(&px_templates_newest, PX_MISSING_NAME, of_spaces,
           "LAB_001_X-O_Neil_Mary_Jane_Dr-20100203/Brain_w_o_Contrast_x_1_2-ACC-100_7-20130308/"
           "AX_T2_fs_x_more-4b16228/0001-1.2.826.0.1.3680043.8.498.7777.1.1.1.dcm");
    expect(&px_templates_push, PX_MISSING_NAME, of_worked,
           "P_01-Doe_Jane-20100203/Brain_w_o-A1-20130308-003Y-001129d/00001-SAG_MPRAGE_220_FOV-911fe62/"
           "0007-1.2.9.100.1.7.dcm");
    expect(&px_templates_newest, PX_MISSING_NAME, of_worked,
           "P_01-Doe_Jane-20100203/Brain_w_o-A1-20130308/SAG_MPRAGE_220_FOV-cad4f9e/0007-1.2.9.100.1.7.dcm");
    expect(&px_templates_oxidicom, PX_MISSING_BARE, of_worked,
           "P_01-Doe_Jane-20100203/Brain_w_o-A1-20130308/00001-SAG_MPRAGE_220_FOV-cad4f9e/"
           "0007-1.2.9.100.1.7.dcm");
    assert_ptr_equal(px_templates_named("push"), &px_templates_push);
    assert_null(px_templates_named("pushed"));
    arena_free(arena);
}

static void functions(void **state)
{
    Arena *arena = arena_new(0);
    const DcmDataset *d = dataset_of(arena, spaces);
    static const char *const cases[][2] = {
        {"%_md5_PatientID", "4a2e1fb35c38b0e072330a77d8a0cf44"},
        {"%_md5|6_StudyInstanceUID-%StudyDate", "d4db70-20130308"},
        {"%_md5|7_SeriesInstanceUID-%SeriesDescription", "0cabc7c-AX_T2_fs_x_more"},
        {"%_md5|12_SOPInstanceUID.dcm", "88fef865abad.dcm"},
        {"%_seahash_PatientID", "2dd8168ae8ca7803"},
        {"%_seahash|5_StudyInstanceUID-%StudyDate", "15c19-20130308"},
        {"%_seahash|12_SOPInstanceUID.dcm", "418679f6ef7e.dcm"},
        {"%_pad|20,x_PatientID", "xxxxxxxxxxxLAB_001_X"},
        {"%_pad|3_SeriesNumber", "003"},
        {"%_pad_SeriesNumber-%_pad|6,0_InstanceNumber", "3-000001"},
        {"%_strmsk|****^**_PatientName", "O_Ne_l_"},
        {"%_strmsk|****XX**_StudyDate", "2013XX08"},
        {"%_strmsk|**********************_SeriesDescription", "AX_T2_fs_x_more"},
        {"%_nospc_PatientName", "ONeilMaryJaneDr"},
        {"%_nospc|-_StudyDescription", "Brain-w-o-Contrast-x-1_2"},
        {"%_nospc|.-._SeriesDescription", "AX.-.T2.-.fs.-.x.-.more"},
        {"%PatientSex_%Modality/%StudyDate", "F_CT_20130308"},
        {"plain text % %NoSuchKeyword", "plain_text_NoSuchKeyword"},
        {"fixed name pad md5 %Modalityx", "fixed_name_pad_md5_CTx"},
        {"%PatientID-%PatientAge", "LAB_001_X-003Y"},
        {"%StudyDescription-%AgeInDays", "Brain_w_o_Contrast_x_1_2-001129d"},
        {"100%", "100_"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_part(cases[i][0], d, cases[i][1]);
    dcm_put_utf8((DcmDataset *)d, DCM_PatientName, "Doe^Jane");
    expect_part("%_strmsk|****^**_PatientName", d, "Doe_an");
    arena_free(arena);
}

/* Functions stay with their attributes, however many are missing. */
static void missing(void **state)
{
    Arena *arena = arena_new(0);
    const DcmDataset *d = dataset_of(arena, lacking);
    expect(&px_templates_classic, PX_MISSING_NAME, d,
           "a83db7f7-0b26-49c2-a92f-484c5c06bc98-Anonymized1-_PatientBirthDate/"
           "_StudyDescription-_AccessionNumber-20230118/_SeriesNumber-_SeriesDescription/"
           "_InstanceNumber-1.2.276.0.7230010.3.1.4.2831156464.1.1674056925.390988.dcm");
    expect(&px_templates_newest, PX_MISSING_BARE, d,
           "a83db7f7-0b26-49c2-a92f-484c5c06bc98-Anonymized1-PatientBirthDate/"
           "StudyDescription-AccessionNumber-20230118/SeriesDescription-bc7d6a9/"
           "InstanceNumber-1.2.276.0.7230010.3.1.4.2831156464.1.1674056925.390988.dcm");
    expect_part("%_md5|7_SeriesInstanceUID-%_pad|5,0_SeriesNumber-%_md5|3_StudyInstanceUID", d,
                "de68b38-_SeriesNumber-215");
    expect_part("%PatientAge-%AgeInDays", d, "_PatientAge-_AgeInDays");
    Err err = {0};
    PxTemplates *strict = px_templates_parse(&px_templates_classic, PX_MISSING_REJECT, &err);
    assert_null(px_templates_path(strict, arena, d, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.text, "PatientBirthDate"));
    px_templates_free(strict);
    arena_free(arena);
}

/* With hashes, neither two patients, nor two series of a study without numbers share a folder. */
static void missing_as_hash(void **state)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    PxTemplates *t = px_templates_parse(&px_templates_classic, PX_MISSING_HASH, &err);
    DcmDataset *one = dataset_of(arena, lacking), *other = dataset_of(arena, lacking);
    dcm_put_utf8(other, DCM_SeriesInstanceUID, "1.2.3");
    const char *a = px_templates_path(t, arena, one, &err), *b = px_templates_path(t, arena, other, &err);
    const char *series_a = strchr(strchr(a, '/') + 1, '/'), *series_b = strchr(strchr(b, '/') + 1, '/');
    assert_int_equal(series_a - a, series_b - b);
    assert_memory_equal(a, b, (size_t)(series_a - a));
    assert_int_not_equal(strncmp(series_a, series_b, 9), 0);
    dcm_remove(one, DCM_PatientID);
    dcm_remove(other, DCM_PatientID);
    dcm_put_utf8(other, DCM_StudyInstanceUID, "1.2.4");
    assert_int_not_equal(
        strncmp(px_templates_path(t, arena, one, &err), px_templates_path(t, arena, other, &err), 7), 0);
    px_templates_free(t);
    arena_free(arena);
}

static void ages(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *d = dcm_dataset_new(arena);
    static const char *const cases[][3] = {
        {"20200101", "20200107", "006D"}, {"20200101", "20200108", "001W"},
        {"20200101", "20200130", "004W"}, {"20200101", "20200131", "001M"},
        {"20200101", "20200316", "002M"}, {"20200101", "20200501", "004M"},
        {"20190101", "20200101", "001Y"}, {"20200107", "20200101", "006D"},
        {"", "20200101", "000D"},         {"2010-02-03", "20130308", "003Y"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dcm_put_utf8(d, DCM_PatientBirthDate, cases[i][0]);
        dcm_put_utf8(d, DCM_StudyDate, cases[i][1]);
        expect_part("%PatientAge", d, cases[i][2]);
    }
    dcm_put_utf8(d, DCM_StudyDate, "");
    expect_part("%AgeInDays", d, "000000d");
    dcm_put_utf8(d, DCM_StudyDate, "soon");
    expect_part("%AgeInDays", d, "_AgeInDays");
    dcm_put_utf8(d, DCM_PatientAge, "042Y");
    expect_part("%PatientAge", d, "042Y");
    dcm_put_utf8(d, DCM_PatientAge, "");
    expect_part("x%PatientAge-", d, "x-");
    arena_free(arena);
}

/* Different names never become the same component, and stay the same name for the same text in any character set. */
static void other_alphabets(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *d = dcm_dataset_new(arena), *latin = dcm_dataset_new(arena);
    dcm_put_utf8(d, DCM_SpecificCharacterSet, "ISO_IR 192");
    dcm_put_utf8(latin, DCM_SpecificCharacterSet, "ISO_IR 100");
    dcm_put_utf8(d, DCM_PatientName, "Buc^Jérôme");
    dcm_put_utf8(latin, DCM_PatientName, "Buc^Jérôme");
    const char *name = component("%PatientName-", d);
    assert_int_equal(strncmp(name, "Buc_J_r_me_", 11), 0);
    assert_int_equal(strlen(name), strlen("Buc_J_r_me_0123456789-"));
    assert_string_equal(component("%PatientName-", latin), name);
    dcm_put_utf8(d, DCM_PatientName, "Buc^Jèröme");
    assert_string_not_equal(component("%PatientName-", d), name);
    dcm_put_utf8(d, DCM_PatientName, "山田^太郎");
    const char *yamada = component("%PatientName", d);
    assert_int_equal(strlen(yamada), 11);
    dcm_put_utf8(d, DCM_PatientName, "鈴木^一郎");
    assert_string_not_equal(component("%PatientName", d), yamada);
    const char *padded = component("%_pad|7,-_PatientName", d);
    assert_int_equal(strncmp(padded, "--_", 3), 0);
    assert_int_equal(strlen(padded), 13);
    expect_part("%_strmsk|XXXXX_PatientName", d, "XXXXX");
    arena_free(arena);
}

/* Bytes that their character set does not explain. */
static void undecodable(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *d = dcm_dataset_new(arena);
    dcm_put_utf8(d, DCM_SpecificCharacterSet, "ISO_IR 192");
    dcm_put(d, DCM_PatientName, DCM_VR_PN, SPAN("\xFF\x80 "));
    const char *one = component("%PatientName", d);
    dcm_put(d, DCM_PatientName, DCM_VR_PN, SPAN("\xFE\x80 "));
    assert_string_not_equal(component("%PatientName", d), one);
    arena_free(arena);
}

static void made_up_names(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *d = dataset_of(arena, spaces);
    const char *by_id = component("%_name|patientID_PatientName", d);
    assert_int_equal(strlen(by_id), strlen("XXXXXX_XXXXXX_ANON"));
    assert_string_equal(by_id + 13, "_ANON");
    assert_string_equal(component("%_name_PatientID", d), by_id);
    assert_string_not_equal(component("%_name_PatientName", d), by_id);
    dcm_put_utf8(d, DCM_PatientName, "Other^Name");
    assert_string_equal(component("%_name|patientID_PatientName", d), by_id);
    dcm_put_utf8(d, DCM_PatientID, "LAB 002 X");
    assert_string_not_equal(component("%_name|patientID_PatientName", d), by_id);
    dcm_remove(d, DCM_PatientID);
    expect_part("%_name|patientID_PatientName", d, "_PatientName");
    arena_free(arena);
}

static void hostile_values(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *d = dcm_dataset_new(arena);
    static const char *const cases[][2] = {
        {"", "_"},
        {".", "_."},
        {"..", "_.."},
        {".hidden", "_.hidden"},
        {"../../etc/passwd", "_.._.._etc_passwd"},
        {"a\n$(reboot)`x`;", "a_reboot_x_"},
        {"___", "_"},
        {"%PatientName", "_PatientName"},
        {"a_\t_b", "a_b"},
    };
    dcm_put_utf8(d, DCM_PatientName, "secret");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dcm_put(d, DCM_PatientID, DCM_VR_LO, span_cstr(cases[i][0]));
        expect_part("%PatientID", d, cases[i][1]);
    }
    arena_free(arena);
}

static void several_values(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *d = dcm_dataset_new(arena);
    dcm_put_utf8(d, DCM_ImageType, "ORIGINAL\\PRIMARY");
    expect_part("%ImageType", d, "_ORIGINAL_PRIMARY_");
    expect_part("%_md5|8_ImageType", d, "0c9252f9");
    dcm_put_utf8(d, DCM_PixelSpacing, "0.5\\0.5");
    expect_part("%_md5|8_PixelSpacing", d, "ef398485");
    dcm_put_u16(d, DCM_Rows, 512);
    expect_part("%Rows", d, "512");
    dcm_put(d, DCM_PixelData, DCM_VR_OW, SPAN("pixels"));
    dcm_put_sequence(d, DCM_ReferencedStudySequence);
    expect_part("%PixelData-%ReferencedStudySequence", d, "_PixelData-_ReferencedStudySequence");
    arena_free(arena);
}

static void long_components(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *d = dcm_dataset_new(arena);
    char text[301];
    memset(text, 'a', 300);
    text[300] = 0;
    dcm_put_utf8(d, DCM_PatientComments, text);
    const char *one = component("%PatientComments", d);
    assert_int_equal(strlen(one), 200);
    text[299] = 'b';
    dcm_put_utf8(d, DCM_PatientComments, text);
    assert_string_not_equal(component("%PatientComments", d), one);
    Err err = {0};
    PxTemplates *t =
        px_templates_parse(&(PxTemplateTexts){"a", "b", "c", "%PatientComments.dcm"}, PX_MISSING_NAME, &err);
    const char *path = px_templates_path(t, arena, d, &err);
    assert_int_equal(strlen(path), 206);
    assert_string_equal(path + 202, ".dcm");
    px_templates_free(t);
    arena_free(arena);
}

static void bad_templates(void **state)
{
    static const char *const bad[] = {"",
                                      "%_nosuch_PatientID",
                                      "%_md5|0_PatientID",
                                      "%_md5|33_PatientID",
                                      "%_seahash|x_PatientID",
                                      "%_pad|999999_PatientID",
                                      "%_pad|5,_PatientID",
                                      "%_pad|5,ab_PatientID",
                                      "%_strmsk_PatientName",
                                      "%_name|noSuch_PatientName",
                                      "%_md5|7",
                                      "%_md5_",
                                      "%_"};
    Err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (Err){0};
        assert_null(px_templates_parse(&(PxTemplateTexts){"a", "b", bad[i], "d"}, PX_MISSING_NAME, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_non_null(strstr(err.text, "series directory"));
    }
    char text[2048];
    memset(text, '%', sizeof text);
    text[sizeof text - 1] = 0;
    assert_null(px_templates_parse(&(PxTemplateTexts){text, "b", "c", "d"}, PX_MISSING_NAME, &err));
    text[200] = 0;
    assert_null(px_templates_parse(&(PxTemplateTexts){text, "b", "c", "d"}, PX_MISSING_NAME, &err));
    assert_null(px_templates_parse(&(PxTemplateTexts){"%NoSuch", "b", "c", "d"}, PX_MISSING_REJECT, &err));
    PxMissing missing;
    assert_true(px_missing_named("reject", &missing) && missing == PX_MISSING_REJECT);
    assert_false(px_missing_named("", &missing));
}

static void wants(void **state)
{
    Err err = {0};
    PxTemplates *t = px_templates_parse(
        &(PxTemplateTexts){"%AgeInDays", "%PatientAge", "%_name|accessionNumber_PatientName", "d"},
        PX_MISSING_NAME, &err);
    static const DcmTag yes[] = {DCM_PatientBirthDate, DCM_StudyDate,   DCM_PatientAge,
                                 DCM_AccessionNumber,  DCM_PatientName, DCM_SpecificCharacterSet},
                        no[] = {DCM_PatientID, DCM_SeriesInstanceUID, DCM_PixelData};
    for (size_t i = 0; i < 6; i++)
        assert_true(px_templates_want(t, yes[i]));
    for (size_t i = 0; i < 3; i++)
        assert_false(px_templates_want(t, no[i]));
    px_templates_free(t);
    t = px_templates_parse(&(PxTemplateTexts){"a", "b", "c", "d"}, PX_MISSING_HASH, &err);
    assert_true(px_templates_want(t, DCM_PatientID) && px_templates_want(t, DCM_SeriesInstanceUID));
    px_templates_free(t);
    px_templates_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets),
        cmocka_unit_test(functions),
        cmocka_unit_test(missing),
        cmocka_unit_test(missing_as_hash),
        cmocka_unit_test(ages),
        cmocka_unit_test(other_alphabets),
        cmocka_unit_test(undecodable),
        cmocka_unit_test(made_up_names),
        cmocka_unit_test(hostile_values),
        cmocka_unit_test(several_values),
        cmocka_unit_test(long_components),
        cmocka_unit_test(bad_templates),
        cmocka_unit_test(wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
